package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestBadFiles holds the messages about every testdata/bad/*.yaml to the .txt file beside it.
func TestBadFiles(t *testing.T) {
	files, err := filepath.Glob("testdata/bad/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("no files", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			file := filepath.ToSlash(file)
			_, _, err := Load(Input{Environ: []string{envFile + "=" + file}})
			var problems Problems
			if !errors.As(err, &problems) {
				t.Fatalf("Load returned %v, not Problems", err)
			}
			got := err.Error() + "\n"
			golden := strings.TrimSuffix(file, ".yaml") + ".txt"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("problems:\n%swant:\n%s", got, want)
			}
			if strings.Contains(got, "canary") || strings.Contains(got, "can/ary") || strings.Contains(got, "zzary") {
				t.Error("a secret is shown")
			}
			for _, p := range problems {
				if p.Text == "" || p.Fix == "" || (p.Source.Name == "" && p.Source.Layer != Defaults) {
					t.Errorf("problem without source, text or fix: %#v", p)
				}
			}
		})
	}
}
