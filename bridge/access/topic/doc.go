// Package topic decides which topics a device may publish to and subscribe to.
//
// An operator writes a list of [Rule]. The first rule that speaks of a topic decides, and what none speaks of is denied.
// [Compile] reads the list once for all sessions; [Rules.Bind] puts what is known of one device in place of the
// placeholders, and keeps nothing else for it.
//
// # Filters
//
// A rule holds topic filters as in SUBSCRIBE, with + and #, matched as MQTT 5 section 4.7 says. A filter that begins with a
// wildcard therefore does not speak of topics that begin with $ [MQTT-4.7.2-1]: a device reaches what brokers keep there,
// such as $SYS/ or the $delayed/ and $queue/ of some, only through a rule that names it.
//
// A level may hold one placeholder, such as devices/{{client_id}}/# or plant/line-{{.Claims.line}}:
//
//	{{client_id}}  the client identifier of CONNECT, as the broker gets it
//	{{username}}   the user name of CONNECT, as the broker gets it
//	{{subject}}    who the device proved to be at the handshake, also {{.Subject}}
//	{{.Claims.x}}  the claim x of its token
//
// What stands for a placeholder is one piece of one level. A value that could be more, because it holds /, +, #, a control
// character or what is not UTF-8, or begins a topic with $, is an error of [Rules.Bind], and the device is to be refused:
// no escaping would have the broker and the rule agree on what is meant. A value that is not known makes the filter match
// nothing.
//
// # Subscriptions
//
// The filter of a subscription may match many topics. It is granted only if one rule allows all of them and no rule before
// that one denies any: an overlap is enough for a refusal. A shared subscription, $share/name/filter, is judged by its
// filter.
//
// # Mounts
//
// A [Mount] makes the prefix that a device's topics have at the broker. Its text is read as a filter's, and what may not stand
// for a placeholder there may not here; a value that is not known is an error.
package topic
