package topic

import (
	"errors"
	"fmt"
	"strings"
)

// Mount makes the prefix that the topics of a device have at the broker, such as tenants/{{.Claims.tenant}}/. Its levels are those
// of filters, without wildcards. It does not change and is safe for concurrent use.
type Mount struct {
	placeholders placeholders
	levels       []level
	longest      int
}

var (
	errMountEnd   = errors.New("must end with /")
	errMountLevel = errors.New("has an empty level")
	errMountWild  = errors.New("has a wildcard")
	errMountShare = errors.New("begins with $")
)

// CompileMount reads the text of a mount, which may make prefixes of at most longest bytes.
func CompileMount(text string, longest int) (*Mount, error) {
	m := &Mount{longest: longest}
	switch {
	case !plainText(text):
		return nil, errText
	case !strings.HasSuffix(text, "/"):
		return nil, errMountEnd
	case strings.HasPrefix(text, "$"):
		return nil, errMountShare
	case len(text) > maxLength || strings.Count(text, "/") > maxLevels:
		return nil, errLong
	}
	for i, one := range strings.Split(strings.TrimSuffix(text, "/"), "/") {
		l, err := m.placeholders.compileLevel(one, i == 0)
		switch {
		case one == "":
			return nil, errMountLevel
		case l.any || err == errPlus || err == errHash:
			return nil, errMountWild
		case err != nil:
			return nil, fmt.Errorf("has a level that cannot be read: %w", err)
		}
		m.levels = append(m.levels, l)
	}
	return m, nil
}

// MountError says why a device cannot have its mount. It holds no value, which is the device's own.
type MountError struct{ Why string }

// Error tells why.
func (e *MountError) Error() string { return "no mount point for the device: " + e.Why }

// Bind returns the prefix of a device. value answers "" for what is not known. The error is a [*MountError], and the device is to
// be refused: without its mount it would be among the others.
func (m *Mount) Bind(value func(name string) string) (string, error) {
	values, err := m.placeholders.values(value)
	if err != nil {
		return "", &MountError{err.Error()}
	}
	var b strings.Builder
	for i := range m.levels {
		l := &m.levels[i]
		b.WriteString(l.before)
		if l.value >= 0 {
			if values[l.value] == "" {
				return "", &MountError{fmt.Sprintf("nothing is known for {{%s}}", m.placeholders[l.value].name)}
			}
			b.WriteString(values[l.value])
		}
		b.WriteString(l.after)
		b.WriteByte('/')
	}
	if b.Len() > m.longest {
		return "", &MountError{fmt.Sprintf("it would be longer than %d bytes", m.longest)}
	}
	return b.String(), nil
}
