package access

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"mqtt-ws-bridge/bridge/access/topic"
)

// maxTemplate is the longest template, in bytes.
const maxTemplate = 4096

// Template is a text with placeholders: those of package topic, and {{token}}, {{address}} and {{source}}. It is not a
// program: there is nothing in it but texts and names. It does not change and is safe for concurrent use.
type Template struct {
	parts []part
}

// part is a text, or the name of a placeholder.
type part struct{ text, name string }

var (
	placeholderForm = regexp.MustCompile(`\{\{ *([A-Za-z_]+|\.Subject|\.Token|\.Address|\.Source|\.Claims\.[A-Za-z0-9_-]+) *\}\}`)

	errTemplateLong = fmt.Errorf("template longer than %d bytes", maxTemplate)
	errTemplateName = errors.New("placeholders are {{client_id}}, {{username}}, {{subject}}, {{token}}, {{address}}, {{source}} " +
		"and {{.Claims.name}}")
)

// ParseTemplate reads a template.
func ParseTemplate(text string) (*Template, error) {
	if len(text) > maxTemplate {
		return nil, errTemplateLong
	}
	t := new(Template)
	for text != "" {
		at := placeholderForm.FindStringSubmatchIndex(text)
		before, name, after := text, "", ""
		if at != nil {
			before, name, after = text[:at[0]], text[at[2]:at[3]], text[at[1]:]
		}
		if strings.Contains(before, "{{") || strings.Contains(before, "}}") {
			return nil, errTemplateName
		}
		if before != "" {
			t.parts = append(t.parts, part{text: before})
		}
		if at != nil {
			name, ok := canonical(name)
			if !ok {
				return nil, errTemplateName
			}
			t.parts = append(t.parts, part{name: name})
		}
		text = after
	}
	return t, nil
}

// canonical is the one spelling of a placeholder's name.
func canonical(name string) (string, bool) {
	if strings.HasPrefix(name, topic.ClaimPrefix) {
		return name, true
	}
	name = strings.ToLower(strings.TrimPrefix(name, "."))
	switch name {
	case topic.ClientID, topic.Username, topic.Subject, placeholderToken, placeholderAddress, placeholderSource:
		return name, true
	}
	return "", false
}

// UnknownError says that nothing is known that could stand for a placeholder.
type UnknownError struct{ Placeholder string }

// Error names the placeholder.
func (e *UnknownError) Error() string {
	return fmt.Sprintf("nothing is known for {{%s}}", e.Placeholder)
}

// expand puts the values in place. A placeholder without a value is an [*UnknownError]: half a name may be another's.
func (t *Template) expand(value func(name string) string) (string, error) {
	var b strings.Builder
	for _, p := range t.parts {
		if p.name == "" {
			b.WriteString(p.text)
			continue
		}
		v := value(p.name)
		if v == "" {
			return "", &UnknownError{p.name}
		}
		b.WriteString(v)
	}
	return b.String(), nil
}
