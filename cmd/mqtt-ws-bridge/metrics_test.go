package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"mqtt-ws-bridge/bridge/reason"
	"mqtt-ws-bridge/config"
)

// exported is what a bridge with everything turned on tells Prometheus before any device has come.
func exported(t *testing.T) (text string, names map[string]bool) {
	t.Helper()
	p, _, _ := startBridge(t, func(cfg *config.Config) {
		cfg.Upstream.URLs = append(cfg.Upstream.URLs, "ws://127.0.0.1:1/?token=canary")
		cfg.Access.Retain = false
	})
	w := httptest.NewRecorder()
	p.admin.Handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "http://127.0.0.1/metrics", nil))
	names = make(map[string]bool)
	for line := range strings.Lines(w.Body.String()) {
		if name, ok := strings.CutPrefix(line, "# TYPE "); ok {
			name, _, _ = strings.Cut(name, " ")
			names[name] = true
		}
	}
	return w.Body.String(), names
}

// optional are metrics that a bridge without files, or without sources of access, has no series of, or no name.
var optional = map[string]bool{
	"mqtt_ws_bridge_certificate_expiry_timestamp_seconds": true,
	"mqtt_ws_bridge_access_reloads_total":                 true,
	"mqtt_ws_bridge_access_source_up":                     true,
}

var ownMetric = regexp.MustCompile(`mqtt_ws_bridge_[a-z_]+[a-z]`)

// TestZeroSeries: what may be counted one day has a series from the beginning, also of a broker that was never reached, and a broker is
// named without the query of its URL.
func TestZeroSeries(t *testing.T) {
	text, _ := exported(t)
	for _, r := range reason.All() {
		series := `_total{reason="` + r.Label + `"} 0` + "\n"
		if !strings.Contains(text, "\nmqtt_ws_bridge_refusals"+series) && !strings.Contains(text, "\nmqtt_ws_bridge_abandoned"+series) {
			t.Errorf("neither a refusal nor a leave for %s is counted from 0", r.Label)
		}
	}
	var want []string
	const dead = `broker="ws://127.0.0.1:1/"`
	want = append(want, `session_ends_total{reason="device-closed"} 0`, `session_ends_total{reason="broker-lost"} 0`, `session_ends_total{reason="write-timeout"} 0`,
		`broker_up{`+dead+`} 0`, `broker_sessions{`+dead+`} 0`, `broker_failures_total{`+dead+`,reason="connack-timeout"} 0`,
		`broker_dial_seconds_count{`+dead+`,outcome="failed"} 0`, `broker_connack_seconds_count{`+dead+`} 0`, `build_info{goversion="go1.`)
	for _, series := range want {
		if !strings.Contains(text, "\nmqtt_ws_bridge_"+series) {
			t.Errorf("no series %s", series)
		}
	}
	if strings.Contains(text, "canary") {
		t.Error("a metric holds a secret")
	}
}

// TestMetricsPage: the table of metrics has what there is, and nothing else anywhere on the page.
func TestMetricsPage(t *testing.T) {
	page, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	_, names := exported(t)
	written := make(map[string]bool)
	for _, name := range ownMetric.FindAllString(string(page), -1) {
		if written[name] = true; !names[name] && !optional[name] {
			t.Errorf("docs/operations.md names %s, which there is not", name)
		}
	}
	for name := range names {
		if strings.HasPrefix(name, "mqtt_ws_bridge_") && !written[name] {
			t.Errorf("docs/operations.md does not name %s", name)
		}
	}
}

// TestAlertsNameWhatThereIs: the metrics and reasons of the shipped alerts exist, and each alert is tested to fire and to clear.
func TestAlertsNameWhatThereIs(t *testing.T) {
	_, names := exported(t)
	var rules struct {
		Groups []struct {
			Rules []struct{ Alert, Expr string }
		}
	}
	parseYAML(t, "../../examples/prometheus/rules.yml", &rules)
	var tests struct {
		Tests []struct {
			AlertRuleTest []struct {
				Alertname string
				ExpAlerts []any `yaml:"exp_alerts"`
			} `yaml:"alert_rule_test"`
		}
	}
	parseYAML(t, "../../examples/prometheus/rules_test.yml", &tests)
	for _, group := range rules.Groups {
		for _, rule := range group.Rules {
			for _, name := range ownMetric.FindAllString(rule.Expr, -1) {
				if name = strings.TrimSuffix(name, "_bucket"); !names[name] && !optional[name] {
					t.Errorf("%s: no metric %s", rule.Alert, name)
				}
			}
			for _, m := range regexp.MustCompile(`reason=~?"([^"]*)"`).FindAllStringSubmatch(rule.Expr, -1) {
				for label := range strings.SplitSeq(m[1], "|") {
					if reason.ByLabel(label).Label != label {
						t.Errorf("%s: no reason %s", rule.Alert, label)
					}
				}
			}
			var said string
			for _, test := range tests.Tests {
				for _, at := range test.AlertRuleTest {
					if at.Alertname == rule.Alert {
						said += map[bool]string{true: "fires ", false: "clear "}[len(at.ExpAlerts) > 0]
					}
				}
			}
			if said != "clear fires clear " {
				t.Errorf("%s: the tests see it %s", rule.Alert, said)
			}
		}
	}
}

func parseYAML(t *testing.T, file string, into any) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err == nil {
		err = yaml.Unmarshal(data, into)
	}
	if err != nil {
		t.Fatal(err)
	}
}
