#!/usr/bin/env python3
"""Writes the systematic part of the vectors: every property in every packet, every flag nibble, ...

Run it without arguments to rewrite what stands below the marker in each TOML file; what stands above
it is written by hand and kept. `generate.py --check` says whether the files are up to date.

What is allowed and what is not stands in standard.py, which is taken from the text of the standards and
never from the crate.
"""

import pathlib
import sys

sys.dont_write_bytecode = True

from standard import (ACKS, CARRIERS, FLAG_STATEMENTS_3, FLAG_STATEMENTS_5, GOOD_FILTERS, GOOD_NAMES,
                      ILL_FORMED, MULTI, ODD_TEXT, PROPERTIES, REASONS, REASON_STATEMENTS, SHARE_FILTER,
                      SHARE_NAME, SINGLE, TYPES, WILD_NAMES)

HERE = pathlib.Path(__file__).resolve().parent
MARKER = "# ---- Below: made by generate.py. Change that file, not these lines. ----"

V3 = ["3.1", "3.1.1"]
V311 = ["3.1.1"]
V5 = ["5.0"]
ALL = V3 + V5

# ---- Bytes -------------------------------------------------------------------------------------------


def vbi(number):
    out = []
    while True:
        number, digit = number >> 7, number & 0x7F
        out.append(digit | (0x80 if number else 0))
        if not number:
            return bytes(out)


def field(content):
    return len(content).to_bytes(2, "big") + content


def pretty(data):
    """Hexadecimal bytes, with eight and more repetitions of one or of three bytes in the short form."""
    words, at = [], 0
    while at < len(data):
        for period in (1, 3):
            unit, times = data[at:at + period], 1
            while data[at + times * period:at + (times + 1) * period] == unit:
                times += 1
            if times >= 8:
                words.append(f"{unit.hex().upper()}*{times}")
                at += times * period
                break
        else:
            words.append(f"{data[at]:02X}")
            at += 1
    return " ".join(words)


def dump_text(text):
    size = len(text.encode())
    shown = text if size <= 32 else text[:8]
    line = "".join("\\" + c if c in '"\\' else c if " " <= c <= "~" else f"\\u{{{ord(c):x}}}" for c in shown)
    return f'"{line}"' + ("" if size <= 32 else f"...({size} bytes)")


def dump_binary(data):
    return ("0x" + data[:len(data) if len(data) <= 32 else 8].hex() +
            ("" if len(data) <= 32 else f"...({len(data)} bytes)"))


# ---- Packets -----------------------------------------------------------------------------------------


class Part:
    """A field of a packet: `plain`, `string`, `length` (Property Length), `properties`, `list` (the
    first field of a list that must not be empty), `optional` (the packet may end before it), `payload`."""
    def __init__(self, kind, data, name=""):
        self.kind, self.data, self.name = kind, data, name


class Properties:
    def __init__(self, *items):
        self.data = b"".join(bytes([identifier]) + value for identifier, value, _ in items)
        self.dump = " {" + " ".join(f"0x{i:02X}={d}" for i, _, d in items) + "}" if items else ""

    def parts(self, kind="length"):
        return [Part(kind, vbi(len(self.data))), Part("properties", self.data)]


class Packet:
    def __init__(self, kind, parts, dump):
        self.kind, self.parts, self.dump = kind, parts, kind + dump

    def first(self):
        number, flags = TYPES[self.kind]
        return number << 4 | (flags or 0)

    def hex(self, body=None, first=None):
        body = b"".join(part.data for part in self.parts) if body is None else body
        return pretty(bytes([self.first() if first is None else first]) + vbi(len(body)) + body)

    def template(self, index, before, size, after):
        """The packet with `{}` for `size` bytes inside part `index`, which is a string or properties."""
        head = b"".join(part.data for part in self.parts[:index]) + before
        tail = after + b"".join(part.data for part in self.parts[index + 1:])
        total = len(head) + size + len(tail)
        return " ".join(filter(None, [pretty(bytes([self.first()]) + vbi(total) + head), "{}", pretty(tail)]))


def packet(carrier, properties=None, version=5, reason=0):
    """The plainest packet of a kind; in 5.0 with these properties (in the will's section for WILL)."""
    properties = properties or Properties()
    plain = lambda data, name="": Part("plain", data, name)
    string = lambda data, name: Part("string", field(data), name)
    section = properties.parts() if version == 5 else []
    five = version == 5
    if carrier in ("CONNECT", "WILL"):
        protocol = {3: b"MQIsdp", 4: b"MQTT", 5: b"MQTT"}[version]
        name = {3: "3.1", 4: "3.1.1", 5: "5.0"}[version]
        own, will = (properties, Properties()) if carrier == "CONNECT" else (Properties(), properties)
        parts = [
            plain(field(protocol)),
            plain(bytes([version])),
            plain(b"\xc6" if carrier == "WILL" else b"\xc2"),
            plain(b"\x00\x3c"),
        ]
        parts += own.parts() if five else []
        parts += [string(b"c", "client identifier")]
        will_dump = ""
        if carrier == "WILL":
            parts += will.parts() if five else []
            parts += [string(b"w", "will topic"), string(b"m", "will payload")]
            will_dump = f' will("w" qos=0 retain=0{will.dump} payload=0x6d)'
        # In 3.1 the packet may end where the user name or the password should be.
        last = "optional" if version == 3 else "string"
        parts += [Part(last, field(b"u"), "user name"), Part(last, field(b"p"), "password")]
        return Packet("CONNECT", parts,
                      f' {name} clean=1 keep_alive=60{own.dump} id="c"{will_dump} user="u" password=0x70')
    code = f" reason=0x{reason:02X}"
    if carrier == "CONNACK":
        return Packet(carrier, [plain(b"\0"), plain(bytes([reason])), *section],
                      f" session_present=0{code}{properties.dump}")
    if carrier == "PUBLISH":
        parts = [string(b"t", "topic name"), *section, Part("payload", b"!")]
        return Packet(carrier, parts, f' dup=0 qos=0 retain=0 topic="t"{properties.dump} payload=0x21')
    identifier = plain(b"\x12\x34")
    if carrier in ("PUBACK", "PUBREC", "PUBREL", "PUBCOMP"):
        parts = [identifier]
        if five:
            parts += [Part("optional", bytes([reason])), *properties.parts("optional")]
        return Packet(carrier, parts, f" id=4660{code}{properties.dump}")
    if carrier == "SUBSCRIBE":
        parts = [identifier, *section, Part("list", field(b"f"), "topic filter"), plain(b"\1")]
        return Packet(carrier, parts, f' id=4660{properties.dump} ("f" qos=1 nl=0 rap=0 rh=0)')
    if carrier == "SUBACK":
        return Packet(carrier, [identifier, *section, Part("list", bytes([reason]))],
                      f" id=4660{properties.dump} 0x{reason:02X}")
    if carrier == "UNSUBSCRIBE":
        return Packet(carrier,
                      [identifier, *section, Part("list", field(b"f"), "topic filter")],
                      f' id=4660{properties.dump} "f"')
    if carrier == "UNSUBACK":
        if not five:
            return Packet(carrier, [identifier], " id=4660")
        return Packet(carrier, [identifier, *section, Part("list", bytes([reason]))],
                      f" id=4660{properties.dump} 0x{reason:02X}")
    if carrier in ("DISCONNECT", "AUTH"):
        parts = [Part("optional", bytes([reason])), *properties.parts("optional")] if five else []
        return Packet(carrier, parts, f"{code}{properties.dump}")
    return Packet(carrier, [], "")


def properties_index(carrier, subject):
    """Where the property section under test stands among the parts."""
    found = [index for index, part in enumerate(subject.parts) if part.kind == "properties"]
    return found[-1] if carrier == "WILL" else found[0]


# ---- Cases -------------------------------------------------------------------------------------------

FILES = {name: [] for name in [kind.lower() for kind in TYPES] + ["frame"]}

# Outcomes that many cases share.
TRUNCATED = {"refused": "Truncated", "reason": 0x81}
PROPERTY_LENGTH = {"refused": "PropertyLength", "reason": 0x81}
OVERLONG = {"refused": "VariableByteIntegerOverlong", "reason": 0x81, "v5": ("1.5.5-1",)}
TOO_LONG = {"refused": "VariableByteIntegerTooLong", "reason": 0x81}


def quote(text):
    return f"'{text}'" if '"' in text or "\\" in text else f'"{text}"'


def case(kind, name, versions, hexadecimal, *, each=None, accepted=None, reencoded=None, refused=None,
         reason=None, v3=(), v5=()):
    lines = [
        "[[case]]", f"name = {quote(name)}", "versions = [" + ", ".join(f'"{v}"' for v in versions) + "]",
        f'hex = "{hexadecimal}"',
    ]
    if each is not None:
        lines.append("each = [" + ", ".join(f'"{entry}"' for entry in each) + "]")
    if accepted is not None:
        assert "'" not in accepted, accepted
        lines.append(f"accepted = '{accepted}'")
        if reencoded is not None:
            lines.append(f'reencoded = "{reencoded}"')
    else:
        lines += [f'refused = "{refused}"', f"reason = 0x{reason:02X}"]
        v3 = v3 if versions[0] != "5.0" else ()
        v5 = v5 if versions[-1] == "5.0" else ()
        quoted = lambda ids: ", ".join(f'"{statement}"' for statement in ids)
        sides = [f"{side} = [{quoted(ids)}]" for side, ids in (("v3", v3), ("v5", v5)) if ids]
        if sides:
            lines.append("statements = { " + ", ".join(sides) + " }")
    FILES[kind.lower()].append("\n".join(lines) + "\n")


def ranges(numbers):
    """Bytes as the runner takes them: `03`, `05..0F`."""
    out, numbers = [], sorted(numbers)
    while numbers:
        first = last = numbers.pop(0)
        while numbers and numbers[0] == last + 1:
            last = numbers.pop(0)
        out.append(f"{first:02X}" if first == last else f"{first:02X}..{last:02X}")
    return out


def camel(name):
    return "".join(word.capitalize() if word != "QoS" else "Qos" for word in name.split())


def sample(kind):
    """A value of a data type in the middle of its bounds."""
    return {
        "flag": (b"\1", "1"),
        "u16": (b"\x12\x34", "4660"),
        "u16 above 0": (b"\x12\x34", "4660"),
        "alias": (b"\x12\x34", "4660"),
        "u32": (b"\0\1\x51\x80", "86400"),
        "u32 above 0": (b"\0\1\x51\x80", "86400"),
        "varint": (b"\x80\1", "128"),
        "text": (field(b"x"), '"x"'),
        "topic": (field(b"a/b"), '"a/b"'),
        "binary": (field(b"\xca\xfe"), "0xcafe"),
        "pair": (field(b"k") + field(b"v"), '"k":"v"'),
    }[kind]


def bounds(kind):
    """The smallest and the largest value of a data type; of text the empty and the longest."""
    long, shown = b"a" * 65535, '"aaaaaaaa"...(65535 bytes)'
    two = (b"\xff\xff", "65535")
    four = (b"\xff\xff\xff\xff", "4294967295")
    return {
        "flag": [(b"\0", "0"), (b"\1", "1")],
        "u16": [(b"\0\0", "0"), two],
        "u16 above 0": [(b"\0\1", "1"), two],
        "alias": [(b"\0\1", "1"), two],
        "u32": [(b"\0\0\0\0", "0"), four],
        "u32 above 0": [(b"\0\0\0\1", "1"), four],
        "varint": [(b"\1", "1"), (b"\xff\xff\xff\x7f", "268435455")],
        "text": [(b"\0\0", '""'), (field(long), shown)],
        "topic": [(field(b"/"), '"/"'), (field(long), shown)],
        "binary": [(b"\0\0", "0x"), (field(bytes(65535)), "0x0000000000000000...(65535 bytes)")],
        "pair": [(b"\0\0\0\0", '"":""'), (field(long) + field(long), f"{shown}:{shown}")],
    }[kind]


def leading(carrier, identifier):
    """Properties without which the packet would break another rule."""
    method = (0x15, field(b"m"), '"m"')
    if carrier == "AUTH" and identifier != 0x15 or carrier == "CONNECT" and identifier == 0x16:
        return [method]
    return []


def file_of(carrier):
    return "CONNECT" if carrier == "WILL" else carrier


def title(carrier):
    return "the will of a CONNECT" if carrier == "WILL" else ("an " if carrier[0] in "AU" else "a ") + carrier


def property_cases():
    for carrier in CARRIERS:
        file, who = file_of(carrier), title(carrier)
        for identifier, (name, kind, packets) in PROPERTIES.items():
            value, shown = sample(kind)
            before = leading(carrier, identifier)
            item = (identifier, value, shown)
            if carrier not in packets:
                subject = packet(carrier, Properties(*leading(carrier, 0), item))
                case(file, f"{who} may not carry {name}", V5, subject.hex(),
                     refused=f"PropertyNotAllowed({camel(name)})", reason=0x81)
                continue
            allowed_property(carrier, file, who, identifier, before, item)
        property_sections(carrier, file, who)


def allowed_property(carrier, file, who, identifier, before, item):
    name, kind, _ = PROPERTIES[identifier]
    value, shown = item[1:]
    one = packet(carrier, Properties(*before, item))
    case(file, f"{who} carries {name}", V5, one.hex(), accepted=one.dump)
    twice = packet(carrier, Properties(*before, item, item))
    if identifier == 0x26 or (identifier, carrier) == (0x0B, "PUBLISH"):
        case(file, f"{who} carries {name} twice", V5, twice.hex(), accepted=twice.dump)
    else:
        case(file, f"{who} may not carry {name} twice", V5, twice.hex(),
             refused=f"PropertyTwice({camel(name)})", reason=0x82)
    for extreme, (data, dump) in zip(("least", "greatest"), bounds(kind)):
        subject = packet(carrier, Properties(*before, (identifier, data, dump)))
        case(file, f"{who} carries the {extreme} {name}", V5, subject.hex(), accepted=subject.dump)
    above_zero = ([0], f"PropertyValue({camel(name)})", 0x82, ())
    outside = {
        "flag": (range(2, 256), f"PropertyValue({camel(name)})", 0x82, ()),
        "u16 above 0": above_zero,
        "u32 above 0": above_zero,
        "varint": above_zero,
        "alias": ([0], "TopicAliasZero", 0x94, ("3.3.2-8",)),
    }.get(kind)
    if outside:
        numbers, refused, reason, v5 = outside
        size = {"u16 above 0": 2, "u32 above 0": 4, "alias": 2}.get(kind, 1)
        subject = packet(carrier, Properties(*before, (identifier, bytes(size), "")))
        index = properties_index(carrier, subject)
        data = subject.parts[index].data
        case(file, f"{who} may not carry {name} with a value out of bounds", V5,
             subject.template(index, data[:-1], 1, b""), each=ranges(numbers), refused=refused, reason=reason,
             v5=v5)
    if kind == "varint":
        for data, outcome, what in ((b"\x81\0", OVERLONG, "more bytes than it needs"),
                                    (b"\xff\xff\xff\xff\1", TOO_LONG, "five bytes"),
                                    ):
            subject = packet(carrier, Properties(*before, (identifier, data, "")))
            case(file, f"{who} may not carry {name} in {what}", V5, subject.hex(), **outcome)
    cut = [
        packet(carrier, Properties(*before, (identifier, value[:size], ""))).hex()
        for size in range(len(value))
    ]
    case(file, f"the properties of {who} may not end inside {name}", V5, "{}", each=cut, **PROPERTY_LENGTH)
    if kind in ("text", "topic", "pair"):
        strings = ({"": lambda s: field(s)} if kind != "pair" else
                   {" name": lambda s: field(s) + field(b"v"), " value": lambda s: field(b"k") + field(s)})
        for part, wrap in strings.items():
            make = lambda s: packet(carrier, Properties(*before, (identifier, wrap(s), "")))
            index = properties_index(carrier, make(b"aaaa"))
            odd = ODD_TEXT.encode()
            dump = dump_text(ODD_TEXT)
            shown = {"": dump, " name": f'{dump}:"v"', " value": f'"k":{dump}'}[part]
            subject = packet(carrier, Properties(*before, (identifier, wrap(odd), shown)))
            case(file, f"{who} carries odd but well-formed text in {name}{part}", V5, subject.hex(),
                 accepted=subject.dump)
            string_cases(
                file, f"{who} may not carry", f"in {name}{part}", V5, make, index,
                nul=(("ResponseTopic(Nul)", ("1.5.4-2", "4.7.3-2")) if kind == "topic" else
                     ("StringHasNul", ("1.5.4-2",))))
            lie = make(b"aaaa").parts[index].data
            at = lie.rindex(b"\0\4aaaa")
            hexes = [
                make(b"aaaa").hex(body=b"".join(p.data
                                                for p in make(b"aaaa").parts[:index]) + lie[:at] +
                                  length.to_bytes(2, "big") + lie[at + 2:] +
                                  b"".join(p.data
                                           for p in make(b"aaaa").parts[index + 1:]))
                for length in (11, 256, 0x8000, 65535)
            ]
            case(file, f"{who} may not carry a length that goes past the properties in {name}{part}", V5,
                 "{}", each=hexes, **PROPERTY_LENGTH)


def string_cases(file, start, end, versions, make, index, nul):
    """Ill-formed UTF-8 and U+0000 in one string; `make` builds the packet around four bytes `aaaa`."""
    subject = make(b"aaaa")
    data = subject.parts[index].data
    at = data.rindex(b"\0\4aaaa") + 2
    template = subject.template(index, data[:at], 4, data[at + 4:])
    variant, statements = nul
    v3, v5 = ("1.5.3-1",), ("1.5.4-1",)
    case(file, f"{start} ill-formed UTF-8 {end}", versions, template, each=list(ILL_FORMED),
         refused="StringNotUtf8", reason=0x81, v3=v3, v5=v5)
    old = tuple(s.replace("1.5.4-2", "1.5.3-2") for s in statements)
    case(file, f"{start} U+0000 {end}", versions, template,
         each=["00 61 61 61", "61 00 61 61", "61 61 61 00",
               "00 00 00 00"], refused=variant, reason=0x81, v3=old, v5=statements)


def property_sections(carrier, file, who):
    """Identifiers that do not exist, and property lengths that lie."""
    extra = leading(carrier, 0)
    make = lambda tail: packet(carrier, Properties(*extra, (tail[0], tail[1:], "")))
    subject = make(b"\x00\x00")
    index = properties_index(carrier, subject)
    data = subject.parts[index].data
    unknown = [number for number in range(128) if number not in PROPERTIES]
    case(file, f"{who} may not carry a property that does not exist", V5,
         subject.template(index, data[:-2], 1, b"\0"), each=ranges(unknown), refused="PropertyUnknown({})",
         reason=0x81)
    for tail, number in ((b"\x80\x01", 128), (b"\xa6\x02", 294), (b"\xff\xff\xff\x7f", 268435455)):
        case(file, f"{who} may not carry the property {number}, whose identifier takes {len(tail)} bytes", V5,
             make(tail + b"\0").hex(), refused=f"PropertyUnknown({number})", reason=0x81)
    case(file, f"{who} may not carry a property identifier in more bytes than it needs", V5,
         make(b"\xa6\0" + field(b"k") + field(b"v")).hex(), **OVERLONG)
    case(file, f"{who} may not carry a property identifier of five bytes", V5,
         make(b"\xa6\x80\x80\x80\0").hex(), **TOO_LONG)
    case(file, f"the properties of {who} may not end inside an identifier", V5, "{}",
         each=[make(b"\x80" * size).hex() for size in (1, 2, 3)], **PROPERTY_LENGTH)

    good = packet(carrier, Properties(*extra, (0x26, field(b"k") + field(b"v"), "")))
    index = properties_index(carrier, good)
    head = b"".join(part.data for part in good.parts[:index - 1])
    rest = b"".join(part.data for part in good.parts[index:])
    size = len(good.parts[index].data)
    relength = lambda prefix: good.hex(body=head + prefix + rest)
    lies = [relength(vbi(number)) for number in (len(rest) + 1, len(rest) + 127, 16384, 2097152, 268435455)]
    case(file, f"the property length of {who} may not go past the packet", V5, "{}", each=lies,
         **PROPERTY_LENGTH)
    short = [relength(vbi(number)) for number in range(size - 6, size)]
    case(file, f"the property length of {who} may not end inside a property", V5, "{}", each=short,
         **PROPERTY_LENGTH)
    overlong = [relength(bytes([size | 0x80]) + b"\x80" * more + b"\0") for more in range(3)]
    case(file, f"the property length of {who} may not take more bytes than it needs", V5, "{}", each=overlong,
         **OVERLONG)
    five = [relength(bytes([size | 0x80]) + b"\x80\x80\x80\0"), relength(b"\xff\xff\xff\xff\x7f")]
    case(file, f"the property length of {who} may not take five bytes", V5, "{}", each=five, **TOO_LONG)
    cut = [good.hex(body=head + b"\x80" * more) for more in (1, 2, 3)]
    case(file, f"{who} may not end inside its property length", V5, "{}", each=cut, **PROPERTY_LENGTH)

    many = Properties(*extra, *[(0x26, field(b"k") + field(b"v"), '"k":"v"')] * 19)
    subject = packet(carrier, many)
    case(file, f"{who} carries properties whose length takes two bytes", V5, subject.hex(),
         accepted=subject.dump)


def reason_cases():
    for kind, codes in REASONS.items():
        who, statements = title(kind), (REASON_STATEMENTS[kind],)
        auth = Properties((0x15, field(b"m"), '"m"')) if kind == "AUTH" else Properties()
        for code in codes:
            subject = packet(kind, auth, reason=code)
            body = b"".join(part.data for part in subject.parts)
            reencoded = None
            if any(part.kind == "optional" for part in subject.parts) and not auth.data:
                # The short form: no empty properties, and before them no Success.
                body = body[:-1] if code else body[:-2]
                reencoded = subject.hex(body=body)
                if code:
                    case(kind, f"{who} carries reason code 0x{code:02X} without a property length", V5,
                         reencoded, accepted=subject.dump)
            case(kind, f"{who} carries reason code 0x{code:02X}", V5, subject.hex(), accepted=subject.dump,
                 reencoded=reencoded)
        others = ranges(set(range(256)) - set(codes))
        subject = packet(kind, auth, reason=0xEE)
        template = subject.hex().replace("EE", "{}")
        assert template.count("{}") == 1
        case(kind, f"{who} may not carry any other reason code", V5, template, each=others,
             refused=f"ReasonCode({kind.capitalize()}, {{}})", reason=0x81, v5=statements)
        if kind in ACKS[:4] + ["DISCONNECT"]:
            short = subject.hex(body=b"".join(part.data for part in subject.parts)[:-1]).replace("EE", "{}")
            case(kind, f"{who} may not carry any other reason code without a property length", V5, short,
                 each=others, refused=f"ReasonCode({kind.capitalize()}, {{}})", reason=0x81, v5=statements)
    # 3.1.1, table 3.1, with what the same thing is called in 5.0.
    for code, (meaning, words) in enumerate([(0x00, "accepted"), (0x84, "unacceptable protocol version"),
                                             (0x85, "identifier rejected"), (0x88, "server unavailable"),
                                             (0x86, "bad user name or password"), (0x87, "not authorized"),
                                             ]):
        case("CONNACK", f"a CONNACK before 5.0 carries return code {code}, {words}", V3,
             f"20 02 00 {code:02X}", accepted=f"CONNACK session_present=0 reason=0x{meaning:02X}")
    case("CONNACK", "a CONNACK before 5.0 may not carry a return code above 5", V3, "20 02 00 {}",
         each=["06..FF"], refused="ReasonCode(Connack, {})", reason=0x81)
    for code in (0, 1, 2, 0x80):
        case("SUBACK", f"a SUBACK before 5.0 carries return code 0x{code:02X}", V3, f"90 03 12 34 {code:02X}",
             accepted=f"SUBACK id=4660 0x{code:02X}")
        case("SUBACK", f"a SUBACK before 5.0 carries return code 0x{code:02X} behind another", V3,
             f"90 04 12 34 01 {code:02X}", accepted=f"SUBACK id=4660 0x01 0x{code:02X}")
    others = ranges(set(range(256)) - {0, 1, 2, 0x80})
    case("SUBACK", "a SUBACK before 5.0 may not carry any other return code", V3, "90 03 12 34 {}",
         each=others, refused="ReasonCode(Suback, {})", reason=0x81, v3=("3.9.3-2",))
    case("SUBACK", "a SUBACK before 5.0 may not carry any other return code behind a good one", V3,
         "90 04 12 34 02 {}", each=others, refused="ReasonCode(Suback, {})", reason=0x81, v3=("3.9.3-2",))


def plainest(kind, version):
    properties = Properties((0x15, field(b"m"), '"m"')) if kind == "AUTH" else Properties()
    if kind in ("PUBACK", "PUBREC", "PUBREL", "PUBCOMP"):
        return Packet(kind, [Part("plain", b"\x12\x34")], " id=4660 reason=0x00")
    if kind == "DISCONNECT":
        return Packet(kind, [], " reason=0x00")
    return packet(kind, properties, version)


def flag_cases():
    for kind, (number, flags) in TYPES.items():
        if flags is None:
            continue
        for nibble in range(16):
            first = number << 4 | nibble
            bits = f"{nibble:04b}"
            if kind != "AUTH":
                statements = ("2.2.2-1", "2.2.2-2") + (
                    (FLAG_STATEMENTS_3[kind],) if kind in FLAG_STATEMENTS_3 else ())
                # MQTT 3.1, section 2.1: DUP marks a repeated PUBREL, SUBSCRIBE or UNSUBSCRIBE.
                repeated = flags == 2 and nibble == 0b1010
                old = plainest(kind, 4)
                if nibble == flags:
                    case(kind, f"{title(kind)} before 5.0 has the flags {bits}",
                         V3 if kind != "CONNECT" else V311, old.hex(), accepted=old.dump)
                elif repeated:
                    case(kind, f"{title(kind)} of 3.1 may be marked as a duplicate", ["3.1"],
                         old.hex(first=first), accepted=old.dump, reencoded=old.hex())
                    case(kind, f"{title(kind)} of 3.1.1 may not be marked as a duplicate", V311,
                         old.hex(first=first), refused=f"ReservedFlags({kind.capitalize()})", reason=0x81,
                         v3=statements)
                else:
                    case(kind, f"{title(kind)} before 5.0 may not have the flags {bits}", V3,
                         old.hex(first=first), refused=f"ReservedFlags({kind.capitalize()})", reason=0x81,
                         v3=statements)
            new = plainest(kind, 5)
            if nibble == flags:
                case(kind, f"{title(kind)} of 5.0 has the flags {bits}", V5, new.hex(), accepted=new.dump)
            else:
                statements = ("2.1.3-1",) + ((FLAG_STATEMENTS_5[kind],) if kind in FLAG_STATEMENTS_5 else
                                              ())
                case(kind, f"{title(kind)} of 5.0 may not have the flags {bits}", V5, new.hex(first=first),
                     refused=f"ReservedFlags({kind.capitalize()})", reason=0x81, v5=statements)
    for first in range(0x30, 0x40):
        publish_flags(first)


def publish_flags(first):
    dup, qos, retain = first >> 3 & 1, first >> 1 & 3, first & 1
    for versions, end, empty in ((V3, "before 5.0", b""), (V5, "of 5.0", b"\0")):
        body = field(b"t") + (b"\x12\x34" if qos else b"") + empty + b"!"
        hexadecimal = pretty(bytes([first, len(body)]) + body)
        name = f"a PUBLISH {end} with DUP {dup}, QoS {qos} and RETAIN {retain}"
        if qos == 3:
            case("PUBLISH", f"{name} is refused", versions, hexadecimal, refused="PublishQosThree",
                 reason=0x81, v3=("3.3.1-4",), v5=("3.3.1-4",))
        elif dup and not qos:
            case("PUBLISH", f"{name} is refused", versions, hexadecimal, refused="DupWithQosZero",
                 reason=0x81, v3=("3.3.1-2",), v5=("3.3.1-2",))
        else:
            identifier = " id=4660" if qos else ""
            case("PUBLISH", f"{name} is accepted", versions, hexadecimal,
                 accepted=f'PUBLISH dup={dup} qos={qos} retain={retain} topic="t"{identifier} payload=0x21')


def plain_string_cases():
    """The strings outside properties: identifier, topics, filters, user name; and the binary fields."""
    nul = {
        "client identifier": ("StringHasNul", ("1.5.4-2",)), "user name": ("StringHasNul", ("1.5.4-2",)),
        "will topic": ("WillTopic(Nul)", ("1.5.4-2", "4.7.3-2")), "topic name":
        ("TopicName(Nul)", ("1.5.4-2", "4.7.3-2")), "topic filter":
        ("TopicFilter(Nul)", ("1.5.4-2", "4.7.3-2")),
    }
    for carrier, version, versions in (("WILL", 3, ["3.1"]), ("WILL", 4, V311), ("WILL", 5, V5),
                                       ("PUBLISH", 4, V3), ("PUBLISH", 5, V5), ("SUBSCRIBE", 4, V3),
                                       ("SUBSCRIBE", 5, V5), ("UNSUBSCRIBE", 4, V3), ("UNSUBSCRIBE", 5, V5),
                                       ):
        file = file_of(carrier)
        base = packet(carrier, version=version)
        end = ("of " + ("3.1" if versions == ["3.1"] else "3.1.1" if versions == V311 else "5.0")
               if carrier == "WILL" or version == 5 else "before 5.0")
        who = f"{title(file)} {end}"
        for index, part in enumerate(base.parts):
            if not part.name:
                continue

            def make(content, index=index):
                made = packet(carrier, version=version)
                made.parts[index].data = field(content)
                return made

            if part.name in nul:
                string_cases(file, f"{who} may not carry", f"in its {part.name}", versions, make, index,
                             nul[part.name])
                plain = dump_text(part.data[2:].decode())
                for content, words in ((ODD_TEXT.encode(), "odd but well-formed text"),
                                       (b"a" * 65535, "65,535 bytes"), ("\u20ac".encode() * 21845,
                                                                        "65,535 bytes of 21,845 characters"),
                                       ):
                    subject = make(content)
                    shown = base.dump.replace(plain, dump_text(content.decode()), 1)
                    case(file, f"{who} carries {words} in its {part.name}", versions, subject.hex(),
                         accepted=shown)
            else:
                subject = make(bytes(range(256)))
                shown = base.dump.replace("0x" + part.data[2:].hex(), dump_binary(bytes(range(256))), 1)
                case(file, f"{who} carries any bytes in its {part.name}", versions, subject.hex(),
                     accepted=shown)
                subject = make(b"")
                shown = base.dump.replace("0x" + part.data[2:].hex(), "0x", 1)
                case(file, f"{who} may carry an empty {part.name}", versions, subject.hex(), accepted=shown)
            head = b"".join(p.data for p in base.parts[:index])
            tail = part.data[2:] + b"".join(p.data for p in base.parts[index + 1:])
            lies = [
                base.hex(body=head + length.to_bytes(2, "big") + tail)
                for length in (len(tail) + 1, len(tail) + 256, 0x8000, 65535)
            ]
            case(file, f"the length of the {part.name} of {who} may not go past the packet", versions, "{}",
                 each=lies, **TRUNCATED)


def cut_cases():
    """Every packet cut short at each byte, with a Remaining Length that agrees."""
    for kind in TYPES:
        for version, versions in ((3, ["3.1"]), (4, V311), (5, V5)):
            if kind == "AUTH" and version < 5 or kind != "CONNECT" and version == 3:
                continue
            versions = V3 if version == 4 and kind != "CONNECT" else versions
            end = "before 5.0" if versions == V3 else f"of {versions[0]}"
            pair = Properties((0x26, field(b"k") + field(b"v"), ""))
            subject = (packet("WILL" if kind == "CONNECT" else kind, pair, version) if kind != "AUTH" else
                       packet(kind, Properties((0x15, field(b"m"), ""),
                                               (0x26, field(b"k") + field(b"v"), ""))))
            outcomes = {}
            body, at = b"".join(part.data for part in subject.parts), 0
            for part in subject.parts:
                for inside in range(len(part.data)):
                    outcome = cut_outcome(kind, part, inside)
                    if outcome:
                        outcomes.setdefault(outcome, []).append(subject.hex(body=body[:at + inside]))
                at += len(part.data)
            words = {
                "Truncated": "a field", "PropertyLength": "its properties", "PayloadMissing":
                "an empty payload"
            }
            for (variant, reason, v3, v5), hexes in outcomes.items():
                where = words[variant.split("(")[0]]
                ends = f"{title(kind)} {end} may not end " + (f"inside {where}" if where != "an empty payload"
                                                              else "before its payload")
                case(kind, ends, versions, "{}", each=hexes, refused=variant, reason=reason, v3=v3, v5=v5)
            trailing_case(kind, subject, body, versions, end)


def cut_outcome(kind, part, inside):
    if part.kind == "payload" or part.kind == "optional" and inside == 0:
        return None
    if part.kind in ("length", "properties"):
        return ("PropertyLength", 0x81, (), ())
    if part.kind == "list" and inside == 0:
        v3 = {"SUBSCRIBE": ("3.8.3-3",), "UNSUBSCRIBE": ("3.10.3-2",)}.get(kind, ())
        v5 = {"SUBSCRIBE": ("3.8.3-2",), "UNSUBSCRIBE": ("3.10.3-2",)}.get(kind, ())
        return (f"PayloadMissing({kind.capitalize()})", 0x82, v3, v5)
    return ("Truncated", 0x81, (), ())


def trailing_case(kind, subject, body, versions, end):
    """One byte and more behind the last field, where the last field does not swallow it."""
    if kind == "PUBLISH" or kind in ("SUBACK", "UNSUBACK") and (versions == V5 or kind == "SUBACK"):
        return
    variant = "Truncated" if kind in ("SUBSCRIBE", "UNSUBSCRIBE") else "TrailingBytes"
    hexes = [subject.hex(body=body + more) for more in (b"\0", b"\1", b"\xff")]
    case(kind, f"{title(kind)} {end} may not have a byte behind its last field", versions, "{}", each=hexes,
         refused=variant, reason=0x81)
    if variant == "TrailingBytes":
        case(kind, f"{title(kind)} {end} may not have many bytes behind its last field", versions,
             subject.hex(body=body + bytes(1000)), refused=variant, reason=0x81)


def packet_id_cases():
    """Packet Identifier 0 wherever there is one, and the identifiers 1 and 65,535."""
    for kind in ("PUBLISH", "PUBACK", "PUBREC", "PUBREL", "PUBCOMP", "SUBSCRIBE", "SUBACK", "UNSUBSCRIBE",
                 "UNSUBACK",
                 ):
        for version, versions, end in ((4, V3, "before 5.0"), (5, V5, "of 5.0")):
            for qos in ((1, 2) if kind == "PUBLISH" else (0,)):
                subject = plainest(kind, version)
                who = title(kind) + (f" with QoS {qos}" if qos else "")
                first = None
                dump = subject.dump
                if qos:
                    first = 0x30 | qos << 1
                    subject.parts.insert(1, Part("plain", b"\x12\x34"))
                    dump = dump.replace("qos=0", f"qos={qos}").replace(' topic="t"', ' topic="t" id=4660')
                template = subject.hex(first=first)
                case(kind, f"{who} {end} may not have the packet identifier 0", versions,
                     template.replace("12 34", "00 00"), refused="PacketIdZero", reason=0x82,
                     v3=("2.3.1-1",), v5=("2.2.1-3", "2.2.1-4"))
                for number in (1, 256, 65535):
                    data = f"{number >> 8:02X} {number & 255:02X}"
                    case(kind, f"{who} {end} has the packet identifier {number}", versions,
                         template.replace("12 34", data), accepted=dump.replace("4660", str(number)))


def topic_cases():
    for carrier, name, variant in (("WILL", "will topic", "WillTopic"), ("PUBLISH", "topic name",
                                                                         "TopicName")):
        file = file_of(carrier)
        for version, versions, end in ((4, V311 if carrier == "WILL" else V3,
                                        "of 3.1.1" if carrier == "WILL" else "before 5.0"), (5, V5, "of 5.0"),
                                       ):
            index = [part.name for part in packet(carrier, version=version).parts].index(name)
            own = ("3.3.2-2",) if carrier == "PUBLISH" else ()

            def make(text, index=index, version=version):
                made = packet(carrier, version=version)
                made.dump = made.dump.replace(dump_text(made.parts[index].data[2:].decode()), dump_text(text),
                                              1)
                made.parts[index].data = field(text.encode())
                return made

            for text in WILD_NAMES:
                case(file, f"{title(file)} {end} may not have the {name} {text}", versions,
                     make(text).hex(), refused=f"{variant}(WildcardInName)", reason=0x90,
                     v3=(*own, "4.7.1-1"), v5=(*own, "4.7.0-1"))
            for text in GOOD_NAMES:
                subject = make(text)
                shown = dump_text(text).strip('"')
                case(file, f"{title(file)} {end} may have the {name} {shown}", versions, subject.hex(),
                     accepted=subject.dump)
    for carrier in ("PUBLISH", "WILL"):
        for text in WILD_NAMES:
            subject = packet(carrier, Properties((0x08, field(text.encode()), "")))
            case(file_of(carrier), f"{title(carrier)} may not have the response topic {text}", V5,
                 subject.hex(), refused="ResponseTopic(WildcardInName)", reason=0x90, v5=("3.3.2-14",))
        case(file_of(carrier), f"{title(carrier)} may not have an empty response topic", V5,
             packet(carrier, Properties((0x08, b"\0\0", ""))).hex(), refused="ResponseTopic(Empty)",
             reason=0x90, v5=("4.7.3-1",))
    for kind in ("SUBSCRIBE", "UNSUBSCRIBE"):
        for version, versions, end in ((4, V3, "before 5.0"), (5, V5, "of 5.0")):
            filter_cases(kind, version, versions, f"{title(kind)} {end}")


def filter_cases(kind, version, versions, who):
    def make(text):
        made = packet(kind, version=version)
        made.dump = made.dump.replace('"f"', dump_text(text))
        index = [part.name for part in made.parts].index("topic filter")
        made.parts[index].data = field(text.encode())
        return made

    for texts, error, v3, v5 in ((MULTI, "MultiLevelWildcardMisplaced", ("4.7.1-2",), ("4.7.1-1",)),
                                 (SINGLE, "SingleLevelWildcardMisplaced", ("4.7.1-3",), ("4.7.1-2",)),
                                 (SHARE_NAME, "ShareNameInvalid", (), ("4.8.2-1", "4.8.2-2")),
                                 (SHARE_FILTER, "ShareFilterMissing", (),
                                  ("4.8.2-2",)), ([""], "Empty", ("4.7.3-1",), ("4.7.3-1",)),
                                 ):
        for text in texts:
            shown = text or "of no characters"
            case(kind, f"{who} may not have the topic filter {shown}", versions,
                 make(text).hex(), refused=f"TopicFilter({error})", reason=0x8F, v3=v3, v5=v5)
    for text in GOOD_FILTERS:
        subject = make(text)
        case(kind, f"{who} may have the topic filter {text}", versions, subject.hex(), accepted=subject.dump)


def subscription_option_cases():
    """All 256 options bytes of SUBSCRIBE (5.0, section 3.8.3.1; 3.1.1, section 3.8.3)."""
    for byte in range(64):
        qos, local, published, handling = byte & 3, byte >> 2 & 1, byte >> 3 & 1, byte >> 4
        if qos == 3 or handling == 3:
            continue
        case("SUBSCRIBE", f"a SUBSCRIBE of 5.0 may have the options 0x{byte:02X}", V5,
             f"82 07 12 34 00 00 01 66 {byte:02X}",
             accepted=f'SUBSCRIBE id=4660 ("f" qos={qos} nl={local} rap={published} rh={handling})')
    three = [byte for byte in range(64) if byte & 3 == 3]
    case("SUBSCRIBE", "a SUBSCRIBE of 5.0 may not ask for QoS 3", V5, "82 07 12 34 00 00 01 66 {}",
         each=ranges(three), refused="SubscribeQosThree", reason=0x82)
    three = [byte for byte in range(64) if byte >> 4 == 3 and byte & 3 != 3]
    case("SUBSCRIBE", "a SUBSCRIBE of 5.0 may not ask for retain handling 3", V5,
         "82 07 12 34 00 00 01 66 {}", each=ranges(three), refused="RetainHandlingThree", reason=0x82)
    case("SUBSCRIBE", "a SUBSCRIBE of 5.0 may not set reserved bits of the options", V5,
         "82 07 12 34 00 00 01 66 {}", each=["40..FF"], refused="SubscribeReservedBits", reason=0x81,
         v5=("3.8.3-5",))
    for qos in range(3):
        case("SUBSCRIBE", f"a SUBSCRIBE before 5.0 may ask for QoS {qos}", V3,
             f"82 06 12 34 00 01 66 {qos:02X}", accepted=f'SUBSCRIBE id=4660 ("f" qos={qos} nl=0 rap=0 rh=0)')
    case("SUBSCRIBE", "a SUBSCRIBE before 5.0 may not ask for QoS 3", V3, "82 06 12 34 00 01 66 03",
         refused="SubscribeQosThree", reason=0x82, v3=("3.8.3-4",))
    case("SUBSCRIBE", "a SUBSCRIBE before 5.0 may not set reserved bits beside the QoS", V3,
         "82 06 12 34 00 01 66 {}", each=["04..FF"], refused="SubscribeReservedBits", reason=0x81,
         v3=("3.8.3-4",))


def connect_flag_cases():
    """All 256 connect flags of each version, with a payload that agrees with them."""
    for version, versions, name in ((3, ["3.1"], "3.1"), (4, V311, "3.1.1"), (5, V5, "5.0")):
        protocol = field(b"MQIsdp" if version == 3 else b"MQTT")
        empty = b"\0" if version == 5 else b""
        refused = {}
        for flags in range(256):
            reserved, clean, will = flags & 1, flags >> 1 & 1, flags >> 2 & 1
            qos, retain, password, user = flags >> 3 & 3, flags >> 5 & 1, flags >> 6 & 1, flags >> 7
            build = lambda f: Packet("CONNECT", [
                Part(
                    "plain", protocol + bytes([version, f]) + b"\0\x3c" + empty + field(b"c") +
                    (empty + field(b"w") + field(b"m")
                     if will else b"") + (field(b"u") if user else b"") + (field(b"p") if password else b""))
            ], "")
            hexadecimal = build(flags).hex()
            who = f"a CONNECT of {name} with the flags {flags:08b}"
            broken = None
            if reserved and version != 3:
                broken = ("ConnectReservedFlag", ("3.1.2-3",), ("3.1.2-3",))
            elif not will and qos and version != 3:
                broken = ("WillQosWithoutWill", ("3.1.2-11", "3.1.2-13"), ("3.1.2-11",))
            elif not will and retain and version != 3:
                broken = ("WillRetainWithoutWill", ("3.1.2-11", "3.1.2-15"), ("3.1.2-13",))
            elif will and qos == 3:
                broken = ("WillQosThree", ("3.1.2-14",), ("3.1.2-12",))
            elif password and not user and version != 5:
                broken = ("PasswordWithoutUserName", ("3.1.2-22",), ())
            if broken:
                refused.setdefault(broken, []).append(hexadecimal)
                continue
            # 3.1 disregards the reserved bit, and the will's bits where there is no will.
            canonical = flags & (0xFE if will else 0xC6)
            dump = f'CONNECT {name} clean={clean} keep_alive=60 id="c"'
            dump += f' will("w" qos={qos} retain={retain} payload=0x6d)' if will else ""
            dump += (' user="u"' if user else "") + (" password=0x70" if password else "")
            case("CONNECT", f"{who} is accepted", versions, hexadecimal, accepted=dump,
                 reencoded=build(canonical).hex() if canonical != flags else None)
        words = {
            "ConnectReservedFlag": "set the reserved flag", "WillQosWithoutWill":
            "set Will QoS without a will", "WillRetainWithoutWill": "set Will Retain without a will",
            "WillQosThree": "have Will QoS 3", "PasswordWithoutUserName":
            "have a password without a user name",
        }
        for (variant, v3, v5), hexes in refused.items():
            case("CONNECT", f"a CONNECT of {name} may not {words[variant]}, whatever its other flags",
                 versions, "{}", each=hexes, refused=variant, reason=0x81, v3=v3, v5=v5)


def connack_flag_cases():
    case("CONNACK", "a CONNACK of 3.1.1 may not have reserved acknowledge flags", V311, "20 02 {} 00",
         each=["02..FF"], refused="ConnackReservedFlags", reason=0x81)
    case("CONNACK", "a CONNACK of 5.0 may not have reserved acknowledge flags", V5, "20 03 {} 00 00",
         each=["02..FF"], refused="ConnackReservedFlags", reason=0x81, v5=("3.2.2-1",))
    case("CONNACK", "a CONNACK of 3.1 has a first byte that is not used", ["3.1"], "20 02 {} 00",
         each=["00..FF"], accepted="CONNACK session_present=0 reason=0x00", reencoded="20 02 00 00")
    failures = ranges(set(REASONS["CONNACK"]) - {0})
    case("CONNACK", "a CONNACK of 5.0 may not refuse with a session present", V5, "20 03 01 {} 00",
         each=failures, refused="SessionPresentOnRefusal", reason=0x82, v5=("3.2.2-6",))
    case("CONNACK", "a CONNACK of 3.1.1 may not refuse with a session present", V311, "20 02 01 {}",
         each=["01..05"], refused="SessionPresentOnRefusal", reason=0x82, v3=("3.2.2-4",))


def version_cases():
    """Every protocol level with both protocol names."""
    for name, good in ((b"MQIsdp", [3]), (b"MQTT", [4, 5])):
        others = ranges(set(range(256)) - set(good))
        body = field(name) + b"\xee\x02\x00\x3c" + field(b"c")
        template = pretty(bytes([0x10, len(body)]) + body).replace("EE", "{}")
        case(
            "CONNECT",
            f"a CONNECT of {name.decode()} may not ask for a level other than {' and '.join(map(str, good))}",
            ALL, template, each=others, refused="ProtocolVersion({})", reason=0x84, v3=("3.1.2-2",),
            v5=("3.1.2-2",))


def main():
    property_cases()
    reason_cases()
    flag_cases()
    packet_id_cases()
    plain_string_cases()
    cut_cases()
    topic_cases()
    subscription_option_cases()
    connect_flag_cases()
    connack_flag_cases()
    version_cases()
    stale, total = [], 0
    for name, cases in FILES.items():
        path = HERE / f"{name}.toml"
        old = path.read_text() if path.exists() else f"# Vectors of {name.upper()}.\n"
        kept = old.split(MARKER)[0].rstrip("\n")
        new = kept + "\n" + ("\n" + MARKER + "\n\n" + "\n".join(cases) if cases else "")
        total += new.count("[[case]]")
        if new != old:
            stale.append(name)
            if "--check" not in sys.argv:
                path.write_text(new)
    print(f"{total} cases; changed: {', '.join(stale) or 'none'}")
    return 1 if stale and "--check" in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())
