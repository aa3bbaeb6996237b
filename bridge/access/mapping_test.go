package access_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"mqtt-ws-bridge/bridge/access"
	"mqtt-ws-bridge/mqttio"
)

func template(t testing.TB, text string) *access.Template {
	t.Helper()
	parsed, err := access.ParseTemplate(text)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

var canary = access.Identity{
	Source: "token", Subject: "dev-1", Token: "CANARY-token", Address: "192.0.2.7",
	Claims: map[string]string{"tenant": "acme", "secret": "CANARY-claim"},
}

func TestMappingBuildsConnect(t *testing.T) {
	m := access.Mapping{
		ClientID: template(t, "{{.Claims.tenant}}:{{ client_id }}"),
		Username: template(t, "{{subject}}"),
		Password: template(t, "{{.Token}}"),
		UserProperties: []access.UserProperty{
			{Name: "address", Value: template(t, "{{address}}")},
			{Name: "by", Value: template(t, "{{source}}/{{.Subject}}")},
			{Name: "absent", Value: template(t, "x{{.Claims.absent}}")},
		},
	}
	e, err := m.Edit(&mqttio.Connect{ClientID: []byte("c"), Username: []byte("u")}, &canary)
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprint(*e.ClientID, " ", *e.Username, " ", *e.Password, " ", e.UserProperties)
	if want := "acme:c dev-1 CANARY-token [{address 192.0.2.7} {by token/dev-1} {absent }]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	var none access.Mapping
	if e, err := none.Edit(&mqttio.Connect{}, nil); err != nil || e.ClientID != nil || e.Username != nil || e.Password != nil || e.UserProperties != nil {
		t.Errorf("%+v, %v", e, err)
	}
}

func TestMappingDemands(t *testing.T) {
	m := access.Mapping{MustClientID: template(t, "{{subject}}"), MustUsername: template(t, "u-{{subject}}")}
	for _, tt := range []struct {
		id, user string
		want     string
	}{
		{"dev-1", "u-dev-1", ""},
		{"dev-2", "u-dev-1", "client identifier"},
		{"", "u-dev-1", "client identifier"},
		{"dev-1", "dev-1", "user name"},
		{"dev-1", "", "user name"},
		{"DEV-1", "u-dev-1", "client identifier"},
	} {
		_, err := m.Edit(&mqttio.Connect{ClientID: []byte(tt.id), Username: []byte(tt.user)}, &canary)
		var disagree *access.DisagreeError
		if (err == nil) != (tt.want == "") || err != nil && (!errors.As(err, &disagree) || disagree.Field != tt.want) {
			t.Errorf("%q %q: %v, want %q", tt.id, tt.user, err, tt.want)
		}
	}
	var unknown *access.UnknownError
	if _, err := m.Edit(&mqttio.Connect{ClientID: []byte("dev-1")}, nil); !errors.As(err, &unknown) || unknown.Placeholder != "subject" {
		t.Errorf("without an identity: %v", err)
	}
	m = access.Mapping{Password: template(t, "{{.Claims.absent}}")}
	if e, err := m.Edit(&mqttio.Connect{}, &canary); !errors.As(err, &unknown) || e.Password != nil {
		t.Errorf("absent claim: %v", err)
	}
}

// A value is never read as a template itself.
func TestValuesAreNotTemplates(t *testing.T) {
	m := access.Mapping{ClientID: template(t, "{{client_id}}")}
	e, err := m.Edit(&mqttio.Connect{ClientID: []byte("{{token}}")}, &canary)
	if err != nil || *e.ClientID != "{{token}}" {
		t.Errorf("%v, %v", e.ClientID, err)
	}
}

func TestParseTemplateRefuses(t *testing.T) {
	for _, text := range []string{
		"{{", "}}", "{{}}", "{{nobody}}", "{{.Nobody}}", "{{.Claims}}", "{{.Claims.}}", "{{.Claims.a.b}}", "{{printf 1}}", "{{subject | html}}",
		"{{{{subject}}}}", "a{{subject}}{{", "{{if}}", "{{- subject}}", strings.Repeat("x", 4097),
	} {
		if _, err := access.ParseTemplate(text); err == nil {
			t.Errorf("%.40q is a template", text)
		}
	}
	for _, text := range []string{"", "{", "a{b}c", "{{subject}}{{subject}}"} {
		if _, err := access.ParseTemplate(text); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// TestIdentityKeepsItsSecrets is attack 43: no way of printing shows a token or a claim.
func TestIdentityKeepsItsSecrets(t *testing.T) {
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "id", canary, "pointer", &canary)
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "id", canary, "pointer", &canary)
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		fmt.Fprintf(&log, format+" ", canary)
		fmt.Fprintf(&log, format+" ", &canary)
	}
	if strings.Contains(log.String(), "CANARY") {
		t.Errorf("%s", log.String())
	}
	if !strings.Contains(log.String(), "dev-1") {
		t.Errorf("the subject is missing: %s", log.String())
	}
}
