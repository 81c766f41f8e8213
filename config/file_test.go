package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const (
	testKey    = "AKIDtestkey"
	testSecret = "sEcReT-never-to-be-seen"
)

// writeFile makes a configuration file.
func writeFile(t *testing.T, mode os.FileMode, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "ncloudfs.yaml")
	if err := os.WriteFile(name, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestKeysComeFromAPrivateFile(t *testing.T) {
	text := "region: jp\naccess-key: " + testKey + "\nsecret-key: \"" + testSecret + "\"\n"
	file := writeFile(t, 0o600, text)
	c := mustMount(t, nil, "bucket", "/mnt", "--config", file).Store.Remote.Credentials
	if c.AccessKey != testKey || c.SecretKey.Reveal() != testSecret || c.Source != file {
		t.Errorf("got %q from %q", c.AccessKey, c.Source)
	}
	for _, mode := range []os.FileMode{0o644, 0o640, 0o604, 0o660} {
		got := refused(t, nil, "ncloudfs", "mount", "bucket", "/mnt", "--config", writeFile(t, mode, text))
		if !strings.Contains(got, "chmod 600") {
			t.Errorf("mode %04o: %s", mode, got)
		}
	}
	refused(t, nil, "ncloudfs", "mount", "bucket", "/mnt", "--anonymous", "--config", file)
	refused(t, nil, "ncloudfs", "mount", "bucket", "/mnt", "--profile=p", "--config", file)
	refused(t, nil, "ncloudfs", "mount", "bucket", "/mnt", "--config", writeFile(t, 0o600, "access-key: a\n"))
}

func TestFileMistakesNameTheLine(t *testing.T) {
	for text, want := range map[string]string{
		"region: kr\nregoin: jp\n":      "did you mean region?",
		"region: kr\nregion: jp\n":      "line 2",
		"memory: [1, 2]\n":              "line 1",
		"memory:\n  a: b\n":             "line 1",
		"memory:\n":                     "one value",
		"memory: lots\n":                `"lots": must be a size`,
		"just words\n":                  "option: value",
		"- memory\n":                    "option: value",
		"config: other.yaml\n":          "cannot name another",
		"a: b: c\n":                     "not valid YAML",
		"read-only: perhaps\n":          "must be true or false",
		"# nothing\n\n---\nregoin: x\n": "did you mean region?",
	} {
		got := refused(t, nil, "ncloudfs", "mount", "bucket", "/mnt", "--config", writeFile(t, 0o600, text))
		if !strings.Contains(got, want) {
			t.Errorf("%q:\n got %s\nwant %s", text, got, want)
		}
	}
	for _, name := range []string{"/nonexistent/x.yaml", t.TempDir()} {
		if got := refused(t, nil, "ncloudfs", "mount", "bucket", "/mnt", "--config", name); !strings.Contains(got, name) {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestFileIsSharedByAllCommands(t *testing.T) {
	file := writeFile(t, 0o644, "umask: 077\njson: true\nread-only: yes\nregion: sg\n")
	if m := mustMount(t, nil, "bucket", "/mnt", "--config", file); m.FS.Umask != 0o077 || m.Store.Remote.Region != "sg" {
		t.Errorf("mount: %+v", m)
	}
	got, err := run(t, map[string]string{"NCLOUDFS_CONFIG": file}, "ncloudfs", "bucket", "ls")
	if err != nil || got.store.Remote.Region != "sg" {
		t.Errorf("bucket ls: %+v, %v", got.store, err)
	}
	if m := mustMount(t, nil, "bucket", "/mnt", "--config", writeFile(t, 0o644, "")); m == nil {
		t.Error("an empty file is refused")
	}
}

func TestNoSecretIsEverPrinted(t *testing.T) {
	keys := "access-key: " + testKey + "\nsecret-key: " + testSecret + "\n"
	good := writeFile(t, 0o600, keys)
	m := mustMount(t, nil, "bucket", "/mnt", "--config", good)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		if text := fmt.Sprintf(verb, *m); strings.Contains(text, testSecret) {
			t.Errorf("%s shows the secret", verb)
		}
	}
	for _, args := range [][]string{
		{"--secret-key=" + testSecret},
		{"--secret-key", testSecret},
		{"-o", "secret_key=" + testSecret},
		{"--endpoint=https://key:" + testSecret + "@example.com"},
		{"--endpoint=https://key:" + testSecret + "@exa mple.com"},
		{"--endpoint=https://key:" + testSecret + "@example.com", "--endpoint=https://example.com"},
		{"--config=" + writeFile(t, 0o644, keys)},
		{"--config=" + writeFile(t, 0o600, keys+keys)},
		{"--config=" + writeFile(t, 0o600, keys+"x: y: z\n")},
		{"--config=" + writeFile(t, 0o600, keys+"\t- : {\n")},
		{"--config=" + writeFile(t, 0o600, "secret-key: \""+testSecret+"\n")},
		{"--config=" + writeFile(t, 0o600, "secret-key: ["+testSecret+"]\n")},
		{"--config=" + writeFile(t, 0o600, "secret-key: "+testSecret+"\n")},
		{"--config=" + writeFile(t, 0o600, "secretkey: "+testSecret+"\n")},
		{"--config=" + writeFile(t, 0o600, "secret-key:"+testSecret+"\n")},
		{"--config=" + writeFile(t, 0o600, testSecret+"\n")},
		{"--config=" + writeFile(t, 0o600, "secret-key: *"+testSecret+"\n")},
	} {
		got := refused(t, nil, append([]string{"ncloudfs", "mount", "bucket", "/mnt"}, args...)...)
		if strings.Contains(got, testSecret) {
			t.Errorf("%q: %s", args, got)
		}
	}
}
