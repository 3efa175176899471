// The adapter for MQTT.js (see script.py for what it reads and writes). Its first argument is the
// folder that holds node_modules.
"use strict";

const path = require("path");
const readline = require("readline");

const modules = path.join(process.argv[2], "node_modules");
const mqtt = require(path.join(modules, "mqtt"));
const { version } = require(path.join(modules, "mqtt", "package.json"));

const VERSIONS = { "3.1.1": 4, "5.0": 5 };
const PUBLISH_NAMES = {
  content_type: "contentType",
  response_topic: "responseTopic",
  expiry: "messageExpiryInterval",
  topic_alias: "topicAlias",
};

function say(said) {
  process.stdout.write(JSON.stringify(said) + "\n");
}

function publishProperties(wanted) {
  const properties = {};
  for (const [name, itsName] of Object.entries(PUBLISH_NAMES)) {
    if (name in wanted) properties[itsName] = wanted[name];
  }
  if ("payload_format" in wanted) properties.payloadFormatIndicator = wanted.payload_format === 1;
  if ("correlation_data" in wanted) {
    properties.correlationData = Buffer.from(wanted.correlation_data, "hex");
  }
  if ("user_properties" in wanted) {
    properties.userProperties = {};
    for (const [key, value] of wanted.user_properties) {
      (properties.userProperties[key] ||= []).push(value);
    }
  }
  return properties;
}

function shownProperties(properties = {}) {
  const shown = {};
  for (const [name, itsName] of Object.entries(PUBLISH_NAMES)) {
    if (itsName in properties) shown[name] = properties[itsName];
  }
  if ("payloadFormatIndicator" in properties) {
    shown.payload_format = properties.payloadFormatIndicator ? 1 : 0;
  }
  if (properties.correlationData) {
    shown.correlation_data = properties.correlationData.toString("hex");
  }
  if (properties.userProperties) {
    shown.user_properties = Object.entries(properties.userProperties).flatMap(([key, values]) =>
      [].concat(values).map((value) => [key, value]),
    );
  }
  if (properties.subscriptionIdentifier !== undefined) {
    shown.subscription_identifiers = [].concat(properties.subscriptionIdentifier);
  }
  return shown;
}

class MqttJsPeer {
  constructor(emit) {
    this.emit = emit;
  }

  connect(command) {
    const v5 = command.version === "5.0";
    this.v5 = v5;
    const options = {
      host: "127.0.0.1",
      port: command.port,
      protocol: "mqtt",
      protocolVersion: VERSIONS[command.version],
      clientId: command.client_id,
      clean: command.clean,
      keepalive: command.keep_alive ?? 60,
      reconnectPeriod: 0,
    };
    if (command.will) {
      options.will = {
        topic: command.will.topic,
        payload: Buffer.from(command.will.payload, "hex"),
        qos: command.will.qos,
        retain: command.will.retain,
      };
      if ("delay" in command.will) {
        options.will.properties = { willDelayInterval: command.will.delay };
      }
    }
    if (v5) {
      options.properties = {};
      if ("session_expiry" in command) {
        options.properties.sessionExpiryInterval = command.session_expiry;
      }
      if ("receive_maximum" in command) options.properties.receiveMaximum = command.receive_maximum;
      if ("topic_alias_maximum" in command) {
        options.properties.topicAliasMaximum = command.topic_alias_maximum;
      }
    }
    return new Promise((resolve, reject) => {
      let code = null;
      this.client = mqtt.connect(options);
      this.client.on("connect", (connack) =>
        resolve({
          session_present: connack.sessionPresent,
          properties: {
            assigned_client_id: connack.properties?.assignedClientIdentifier ?? null,
            server_keep_alive: connack.properties?.serverKeepAlive ?? null,
            topic_alias_maximum: connack.properties?.topicAliasMaximum ?? null,
          },
        }),
      );
      this.client.on("error", reject);
      this.client.on("disconnect", (packet) => (code = packet.reasonCode ?? null));
      this.client.on("close", () => this.emit({ event: "closed", code }));
      this.client.on("message", (topic, payload, packet) =>
        this.onMessage(topic, payload, packet),
      );
    });
  }

  onMessage(topic, payload, packet) {
    this.emit({
      event: "message",
      topic,
      payload: payload.toString("hex"),
      qos: packet.qos,
      retain: packet.retain,
      properties: shownProperties(packet.properties),
      mid: packet.messageId ?? null,
    });
  }

  subscribe(command) {
    const options = { qos: command.qos };
    if (this.v5) {
      options.nl = command.no_local ?? false;
      options.rap = command.retain_as_published ?? false;
      options.rh = command.retain_handling ?? 0;
      if ("identifier" in command) {
        options.properties = { subscriptionIdentifier: command.identifier };
      }
    }
    return new Promise((resolve, reject) =>
      this.client.subscribe(command.filter, options, (error, granted, packet) => {
        if (error && !packet) reject(error);
        else resolve({ code: packet?.granted?.[0] ?? granted?.[0]?.qos ?? null });
      }),
    );
  }

  unsubscribe(command) {
    return new Promise((resolve, reject) =>
      this.client.unsubscribe(command.filter, (error, packet) =>
        error ? reject(error) : resolve({ code: packet?.granted?.[0] ?? null }),
      ),
    );
  }

  publish(command) {
    const options = { qos: command.qos, retain: command.retain };
    if (this.v5) options.properties = publishProperties(command.properties);
    const payload = Buffer.from(command.payload, "hex");
    return new Promise((resolve, reject) =>
      this.client.publish(command.topic, payload, options, (error, packet) =>
        // Code 0x10 comes as an error with the code in it.
        error && !(error.code < 0x80)
          ? reject(error)
          : resolve({ code: error?.code ?? packet?.reasonCode ?? null }),
      ),
    );
  }

  disconnect(command) {
    const options = {};
    if ("session_expiry" in command) {
      options.properties = { sessionExpiryInterval: command.session_expiry };
    }
    return new Promise((resolve) => this.client.end(false, options, () => resolve({})));
  }
}

const peers = new Map();

async function carryOut(command) {
  let reply;
  try {
    if (command.do === "connect") {
      peers.set(
        command.peer,
        new MqttJsPeer((event) => say({ ...event, peer: command.peer })),
      );
    }
    reply = await peers.get(command.peer)[command.do](command);
  } catch (error) {
    reply = { error: String(error) };
  }
  say({ id: command.id, ...reply });
}

say({
  hello: {
    client: `MQTT.js ${version}`,
    versions: Object.keys(VERSIONS),
    lacks: {
      many: "one library is enough; aiomqtt carries the 200",
      manual_ack: "MQTT.js reads no further packet while an acknowledgement is withheld",
    },
  },
});
const input = readline.createInterface({ input: process.stdin });
input.on("line", (line) => carryOut(JSON.parse(line)));
input.on("close", () => process.exit(0));
