package examples

import (
	"os/exec"
	"testing"

	"mqtt-ws-bridge/internal/install"
)

// TestPrometheusRules has Prometheus's own tool read the alerts, and see each of them fire and clear.
func TestPrometheusRules(t *testing.T) {
	install.Debian(t, "prometheus")
	for _, args := range [][]string{{"check", "rules", "rules.yml"}, {"test", "rules", "rules_test.yml"}} {
		cmd := exec.Command("promtool", args...)
		cmd.Dir = folder + "/prometheus"
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("promtool %v: %v\n%s", args, err, out)
		}
	}
}
