//! `-L mqtt://[user[:password]@]host[:port]/topic`.

use crate::failure::Failure;

/// What a URL says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Url {
    pub(crate) user_name: Option<String>,
    pub(crate) password: Option<String>,
    pub(crate) host: String,
    pub(crate) port: Option<u16>,
    pub(crate) topic: String,
}

impl Url {
    /// Takes a URL apart. As in mosquitto nothing in it is percent-decoded.
    pub(crate) fn parse(text: &str) -> Result<Self, Failure> {
        let rest = match text.split_once("://") {
            Some(("mqtt", rest)) => rest,
            Some(("mqtts" | "wss", _)) => return Err(crate::connect_options::no_tls("-L with mqtts://")),
            Some((scheme, _)) => {
                return Err(Failure::usage(format!(
                    "-L takes URLs that begin with mqtt://, not {scheme}://"
                )));
            }
            None => return Err(wrong(text)),
        };
        let (authority, topic) = rest.split_once('/').unwrap_or((rest, ""));
        if topic.is_empty() {
            return Err(Failure::usage(format!("the URL {text} lacks the topic behind the host")));
        }
        let (login, server) = match authority.rsplit_once('@') {
            Some((login, server)) => (Some(login), server),
            None => (None, authority),
        };
        let (user_name, password) = match login.map(|login| {
            login.split_once(':').map_or((login, None), |(user, password)| (user, Some(password)))
        }) {
            Some((user, password)) => (Some(user.to_owned()), password.map(str::to_owned)),
            None => (None, None),
        };
        let (host, port) = split_port(server).ok_or_else(|| wrong(text))?;
        Ok(Self { user_name, password, host, port, topic: topic.to_owned() })
    }
}

/// `host`, `host:port`, `[::1]` or `[::1]:port`.
fn split_port(server: &str) -> Option<(String, Option<u16>)> {
    let (host, port) = match server.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']')?;
            (host, rest.strip_prefix(':').or_else(|| (!rest.is_empty()).then_some("?")))
        }
        None => match server.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (server, None),
        },
    };
    let port = match port {
        Some(port) => Some(port.parse().ok().filter(|port| *port != 0)?),
        None => None,
    };
    (!host.is_empty()).then(|| (host.to_owned(), port))
}

fn wrong(text: &str) -> Failure {
    Failure::usage(format!("-L wants mqtt://[user[:password]@]host[:port]/topic, not '{text}'"))
}

#[cfg(test)]
mod tests {
    use super::Url;

    fn parse(text: &str) -> (String, String, String, u16, String) {
        let url = Url::parse(text).unwrap();
        (
            url.user_name.unwrap_or_default(),
            url.password.unwrap_or_default(),
            url.host,
            url.port.unwrap_or(0),
            url.topic,
        )
    }

    #[test]
    fn all_parts_but_host_and_topic_may_be_missing() {
        let parts = |user: &str, password: &str, host: &str, port, topic: &str| {
            (user.to_owned(), password.to_owned(), host.to_owned(), port, topic.to_owned())
        };
        assert_eq!(parse("mqtt://host/a/b"), parts("", "", "host", 0, "a/b"));
        assert_eq!(parse("mqtt://host:1884/a"), parts("", "", "host", 1884, "a"));
        assert_eq!(parse("mqtt://ana@host/a"), parts("ana", "", "host", 0, "a"));
        assert_eq!(parse("mqtt://ana:s:e@c@host:1/a"), parts("ana", "s:e@c", "host", 1, "a"));
        assert_eq!(parse("mqtt://[::1]:1883//a"), parts("", "", "::1", 1883, "/a"));
        assert_eq!(parse("mqtt://[::1]/a"), parts("", "", "::1", 0, "a"));
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, said) in [
            ("mqtt://host", "the URL mqtt://host lacks the topic behind the host"),
            ("mqtt://host/", "the URL mqtt://host/ lacks the topic behind the host"),
            ("http://host/a", "-L takes URLs that begin with mqtt://, not http://"),
            ("host/a", "-L wants mqtt://[user[:password]@]host[:port]/topic, not 'host/a'"),
            ("mqtt://host:0/a", "-L wants mqtt://[user[:password]@]host[:port]/topic, not 'mqtt://host:0/a'"),
            ("mqtt://[::1]x/a", "-L wants mqtt://[user[:password]@]host[:port]/topic, not 'mqtt://[::1]x/a'"),
        ] {
            assert_eq!(Url::parse(text).unwrap_err().to_string(), said);
        }
        assert!(Url::parse("mqtts://host/a").unwrap_err().to_string().contains("TLS"));
    }
}
