"""What the OASIS standards and MQTT 3.1 say, as far as generate.py needs it.

Taken from the text of the standards (5.0 sections 2.1.3, 2.2.2.2, 2.4, 3, 4.7 and 4.8; 3.1.1 sections 2.2.2
and 3), never from the crate, so that a mistake in the crate's tables cannot hide here.
"""

# Packet type numbers and the flags that the fixed header must have (5.0, table 2-2).
TYPES = {
    "CONNECT": (1, 0), "CONNACK": (2, 0), "PUBLISH": (3, None), "PUBACK": (4, 0), "PUBREC": (5, 0),
    "PUBREL": (6, 2), "PUBCOMP": (7, 0), "SUBSCRIBE": (8, 2), "SUBACK": (9, 0), "UNSUBSCRIBE": (10, 2),
    "UNSUBACK": (11, 0), "PINGREQ": (12, 0), "PINGRESP": (13, 0), "DISCONNECT": (14, 0), "AUTH": (15, 0),
}

# Statements about the flags: the general one and the packet's own.
FLAG_STATEMENTS_5 = {"PUBREL": "3.6.1-1", "SUBSCRIBE": "3.8.1-1", "UNSUBSCRIBE": "3.10.1-1",
                     "DISCONNECT": "3.14.1-1", "AUTH": "3.15.1-1"}
FLAG_STATEMENTS_3 = {"PUBREL": "3.6.1-1", "SUBSCRIBE": "3.8.1-1", "UNSUBSCRIBE": "3.10.1-1",
                     "DISCONNECT": "3.14.1-1"}

# The packets that carry properties; WILL is the will's own section in CONNECT.
ACKS = ["PUBACK", "PUBREC", "PUBREL", "PUBCOMP", "SUBACK", "UNSUBACK"]
CARRIERS = ["CONNECT", "WILL", "CONNACK", "PUBLISH", "PUBACK", "PUBREC", "PUBREL", "PUBCOMP", "SUBSCRIBE",
            "SUBACK", "UNSUBSCRIBE", "UNSUBACK", "DISCONNECT", "AUTH"]
# 5.0, table 2-4: identifier, name, data type, packets.
PROPERTIES = {
    0x01: ("Payload Format Indicator", "flag", ["PUBLISH", "WILL"]),
    0x02: ("Message Expiry Interval", "u32", ["PUBLISH", "WILL"]),
    0x03: ("Content Type", "text", ["PUBLISH", "WILL"]),
    0x08: ("Response Topic", "topic", ["PUBLISH", "WILL"]),
    0x09: ("Correlation Data", "binary", ["PUBLISH", "WILL"]),
    0x0B: ("Subscription Identifier", "varint", ["PUBLISH", "SUBSCRIBE"]),
    0x11: ("Session Expiry Interval", "u32", ["CONNECT", "CONNACK", "DISCONNECT"]),
    0x12: ("Assigned Client Identifier", "text", ["CONNACK"]),
    0x13: ("Server Keep Alive", "u16", ["CONNACK"]),
    0x15: ("Authentication Method", "text", ["CONNECT", "CONNACK", "AUTH"]),
    0x16: ("Authentication Data", "binary", ["CONNECT", "CONNACK", "AUTH"]),
    0x17: ("Request Problem Information", "flag", ["CONNECT"]),
    0x18: ("Will Delay Interval", "u32", ["WILL"]),
    0x19: ("Request Response Information", "flag", ["CONNECT"]),
    0x1A: ("Response Information", "text", ["CONNACK"]),
    0x1C: ("Server Reference", "text", ["CONNACK", "DISCONNECT"]),
    0x1F: ("Reason String", "text", ["CONNACK", *ACKS, "DISCONNECT", "AUTH"]),
    0x21: ("Receive Maximum", "u16 above 0", ["CONNECT", "CONNACK"]),
    0x22: ("Topic Alias Maximum", "u16", ["CONNECT", "CONNACK"]),
    0x23: ("Topic Alias", "alias", ["PUBLISH"]),
    0x24: ("Maximum QoS", "flag", ["CONNACK"]),
    0x25: ("Retain Available", "flag", ["CONNACK"]),
    0x26: ("User Property", "pair", CARRIERS),
    0x27: ("Maximum Packet Size", "u32 above 0", ["CONNECT", "CONNACK"]),
    0x28: ("Wildcard Subscription Available", "flag", ["CONNACK"]),
    0x29: ("Subscription Identifier Available", "flag", ["CONNACK"]),
    0x2A: ("Shared Subscription Available", "flag", ["CONNACK"]),
}

# 5.0, section 3: the reason codes of each packet (3.2.2.2, 3.4.2.1, 3.5.2.1, ..., 3.15.2.1). Of
# DISCONNECT the list has 0x8C too, which table 2-6 names and table 3-13 leaves out.
REASONS = {
    "CONNACK": [0x00, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8A, 0x8C, 0x90, 0x95,
                0x97, 0x99, 0x9A, 0x9B, 0x9C, 0x9D, 0x9F],
    "PUBACK": [0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99],
    "PUBREC": [0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99],
    "PUBREL": [0x00, 0x92],
    "PUBCOMP": [0x00, 0x92],
    "SUBACK": [0x00, 0x01, 0x02, 0x80, 0x83, 0x87, 0x8F, 0x91, 0x97, 0x9E, 0xA1, 0xA2],
    "UNSUBACK": [0x00, 0x11, 0x80, 0x83, 0x87, 0x8F, 0x91],
    "DISCONNECT": [0x00, 0x04, 0x80, 0x81, 0x82, 0x83, 0x87, 0x89, 0x8B, 0x8C, 0x8D, 0x8E, 0x8F, 0x90, 0x93,
                   0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9A, 0x9B, 0x9C, 0x9D, 0x9E, 0x9F, 0xA0, 0xA1, 0xA2],
    "AUTH": [0x00, 0x18, 0x19],
}
REASON_STATEMENTS = {"CONNACK": "3.2.2-8", "PUBACK": "3.4.2-1", "PUBREC": "3.5.2-1", "PUBREL": "3.6.2-1",
                     "PUBCOMP": "3.7.2-1", "SUBACK": "3.9.3-2", "UNSUBACK": "3.11.3-2",
                     "DISCONNECT": "3.14.2-1", "AUTH": "3.15.2-1"}

# Ill-formed UTF-8, four bytes each.
ILL_FORMED = {
    "61 61 61 FF": "a byte FF", "FE 61 61 61": "a byte FE", "61 80 61 61": "a lone continuation byte",
    "C0 80 61 61": "U+0000 in two bytes", "C1 BF 61 61": "U+007F in two bytes",
    "E0 80 80 61": "U+0000 in three bytes", "E0 9F BF 61": "U+07FF in three bytes",
    "F0 80 80 80": "U+0000 in four bytes", "F0 8F BF BF": "U+FFFF in four bytes",
    "ED A0 80 61": "the surrogate U+D800", "61 ED BF BF": "the surrogate U+DFFF",
    "F4 90 80 80": "U+110000", "F5 80 80 80": "a lead byte F5", "F8 88 80 80": "a lead byte of five bytes",
    "61 61 61 C3": "two bytes cut after one", "61 61 E2 82": "three bytes cut after two",
    "61 F0 9F 98": "four bytes cut after three", "C3 61 61 61": "two bytes broken off",
    "E2 82 61 61": "three bytes broken off",
}
# Well-formed, though some of it is discouraged: U+FEFF, controls, the last of each length.
ODD_TEXT = "\ufeff\x01\x7f\x80\u07ff\ufffe\U0010ffff"

# Names with a wildcard, and names that only look odd (5.0, section 4.7).
WILD_NAMES = ["+", "a+", "a/+", "+/a", "a/+/b", "#", "a#", "a/#", "#/a", "a/#/b", "++", "$SYS/#"]
GOOD_NAMES = ["/", "//", "a/", "/a", "a//b", " ", "a b", "$SYS/x", "$share/g/t", "*", "\u00e9/\u00fc", "\ufeff"]
# Filters with a misplaced #, with a misplaced +, with a bad share name, without a filter behind it
# (5.0, sections 4.7.1 and 4.8.2), and good ones.
MULTI = ["a#", "#a", "a/b#", "#/", "#/a", "a/#/b", "##", "/##", "+#", "a/#/#", "$share/g/a#", "$share/g/#/a"]
SINGLE = ["a+", "+a", "a/b+", "a/+b/c", "++", "/++", "+a/#", "$share/g/a+"]
SHARE_NAME = ["$share/", "$share//t", "$share/+/t", "$share/#/t", "$share/a+b/t", "$share/a#/t", "$share/#",
              "$share/+"]
SHARE_FILTER = ["$share/g", "$share/g/", "$share/gruppe", "$share/g/$share/h/t"]
GOOD_FILTERS = ["#", "+", "/", "//", "/#", "/+", "+/", "+/+", "+/#", "a/#", "a/+", "a/+/b", "+/a/+/#", "a//#",
                "$SYS/#", "$share", "$shares/", "$SHARE//", "a/$share/", "$share/g/t", "$share/g/#",
                "$share/g/+", "$share/g//", "$share/g//t", "$share/$share/t", "$share/g/$SYS/#",
                "$share/g/a/+/#", "$share/ /t"]
