package access

import (
	"fmt"

	"mqtt-ws-bridge/mqttio"
)

// Mapping says what becomes of CONNECT. In its templates {{client_id}} and {{username}} are what the device sent. Nil leaves a
// field as it is. The zero value changes and demands nothing.
type Mapping struct {
	// What the broker gets in place of what the device sent.
	ClientID, Username, Password *Template
	// What is added in MQTT 5, and cannot be forged by the device: see [mqttio.ConnectEdit].
	UserProperties []UserProperty

	// What the device must have sent itself, letter by letter.
	MustClientID, MustUsername *Template
}

// UserProperty is a User Property of MQTT 5 with a template for its value. Where a placeholder has no value the property is
// sent empty.
type UserProperty struct {
	Name  string
	Value *Template
}

// DisagreeError says that a field of CONNECT is not what the device's identity demands. It holds neither value.
type DisagreeError struct{ Field string }

// Error names the field.
func (e *DisagreeError) Error() string {
	return fmt.Sprintf("the %s of CONNECT does not agree with the identity of the device", e.Field)
}

// Edit returns what is to be changed in CONNECT for this identity, which may be nil: nothing was proved then. An error is a
// [*DisagreeError] or an [*UnknownError], and the device is to be refused.
func (m *Mapping) Edit(c *mqttio.Connect, id *Identity) (e mqttio.ConnectEdit, err error) {
	clientID, username := string(c.ClientID), string(c.Username)
	value := func(name string) string { return id.value(name, clientID, username) }
	for _, must := range []struct {
		field, sent string
		want        *Template
	}{
		{"client identifier", clientID, m.MustClientID},
		{"user name", username, m.MustUsername},
	} {
		if must.want == nil {
			continue
		}
		want, err := must.want.expand(value)
		if err != nil {
			return e, err
		}
		if must.sent != want {
			return e, &DisagreeError{must.field}
		}
	}
	for _, set := range []struct {
		to   **string
		from *Template
	}{{&e.ClientID, m.ClientID}, {&e.Username, m.Username}, {&e.Password, m.Password}} {
		if set.from == nil {
			continue
		}
		text, err := set.from.expand(value)
		if err != nil {
			return mqttio.ConnectEdit{}, err
		}
		*set.to = &text
	}
	for _, p := range m.UserProperties {
		text, _ := p.Value.expand(value) // it is sent all the same, so that the device's own of that name is not
		e.UserProperties = append(e.UserProperties, mqttio.UserProperty{Name: p.Name, Value: text})
	}
	return e, nil
}
