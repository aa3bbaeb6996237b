package bridgeproc

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"
	"go.yaml.in/yaml/v3"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const root = "../.."

// stack is what these tests look at in docker-compose.yml.
type stack struct {
	Services map[string]struct {
		Build *struct {
			Context, Target string
		}
		Command     []string
		ReadOnly    bool     `yaml:"read_only"`
		CapDrop     []string `yaml:"cap_drop"`
		CapAdd      []string `yaml:"cap_add"`
		SecurityOpt []string `yaml:"security_opt"`
		Privileged  bool
		User        string
		Configs     []struct {
			Source string
		}
	}
	Configs map[string]struct {
		Content string
	}
}

func readStack(t *testing.T) stack {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(root, "docker-compose.yml"))
	if err != nil {
		t.Fatal(err)
	}
	var s stack
	if err := yaml.Unmarshal(content, &s); err != nil {
		t.Fatalf("read docker-compose.yml: %v", err)
	}
	return s
}

func TestDevelopmentStackNamesWhatThereIs(t *testing.T) {
	dockerfile, err := os.ReadFile(filepath.Join(root, "Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	s := readStack(t)
	for name, service := range s.Services {
		if service.Build != nil {
			stage := regexp.MustCompile(`(?m)^FROM \S+ AS ` + regexp.QuoteMeta(service.Build.Target) + `$`)
			if !stage.Match(dockerfile) {
				t.Errorf("service %s is built from the stage %q, which the Dockerfile does not have", name, service.Build.Target)
			}
		}
		for _, c := range service.Configs {
			if s.Configs[c.Source].Content == "" {
				t.Errorf("service %s wants the config %q, which has no content", name, c.Source)
			}
		}
	}
}

func TestDevelopmentStackStartsTheBridgeWithFlagsItHas(t *testing.T) {
	command := readStack(t).Services["bridge"].Command
	if len(command) == 0 {
		t.Fatal("the service bridge has no command")
	}
	out, err := exec.Command(Build(t), append([]string{"check-config"}, command...)...).CombinedOutput()
	if err != nil {
		t.Errorf("check-config %q: %v\n%s", command, err, out)
	}
}

// TestContainersHaveNoPrivileges: what is built here runs with a root that cannot be written, as nobody, with no capability, with the seccomp
// profile of the container engine.
func TestContainersHaveNoPrivileges(t *testing.T) {
	ours := 0
	for name, s := range readStack(t).Services {
		if s.Build == nil {
			continue
		}
		ours++
		if !s.ReadOnly || !slices.Equal(s.CapDrop, []string{"ALL"}) || s.CapAdd != nil || s.Privileged || s.User != "" ||
			!slices.Equal(s.SecurityOpt, []string{"no-new-privileges:true"}) {
			t.Errorf("service %s may do too much: %+v", name, s)
		}
	}
	if ours != 2 {
		t.Errorf("%d services are built here", ours)
	}
	dockerfile, err := os.ReadFile(filepath.Join(root, "Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	images := 0
	for _, stage := range regexp.MustCompile(`(?m)^FROM `).Split(string(dockerfile), -1) {
		if !strings.HasPrefix(stage, "scratch ") {
			continue
		}
		images++
		if users := regexp.MustCompile(`(?m)^USER .*$`).FindAllString(stage, -1); !slices.Equal(users, []string{"USER 65534:65534"}) {
			t.Errorf("an image has %q, want nobody, by number: there is no file of users in it", users)
		}
	}
	if images != 2 {
		t.Errorf("%d images from scratch", images)
	}
}
