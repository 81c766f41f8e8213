package config

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"ncloudfs/remote"
)

// optionCases has a value for every option of mount that is not its default,
// and where the value must arrive.
func optionCases() map[string]struct {
	value string
	want  any
	got   func(*Mount) any
} {
	type c = struct {
		value string
		want  any
		got   func(*Mount) any
	}
	return map[string]c{
		"endpoint":          {"http://127.0.0.1:9000", "http://127.0.0.1:9000", func(m *Mount) any { return m.Store.Remote.Endpoint }},
		"region":            {"SGN", "sg", func(m *Mount) any { return m.Store.Remote.Region }},
		"profile":           {"work", "work", func(m *Mount) any { return m.Store.Profile }},
		"anonymous":         {"true", true, func(m *Mount) any { return m.Store.Remote.Credentials.Anonymous }},
		"server-role":       {"true", true, func(m *Mount) any { return m.Store.ServerRole }},
		"retry-time":        {"90", 90 * time.Second, func(m *Mount) any { return m.Store.Remote.RetryTime }},
		"log-level":         {"debug", slog.LevelDebug, func(m *Mount) any { return m.Log.Level }},
		"read-only":         {"true", true, func(m *Mount) any { return m.Cache.ReadOnly && m.FS.ReadOnly }},
		"no-bucket-changes": {"true", true, func(m *Mount) any { return m.Cache.KeepBuckets }},
		"uid":               {"12", uint32(12), func(m *Mount) any { return m.FS.UID }},
		"gid":               {"daemon", uint32(1), func(m *Mount) any { return m.FS.GID }},
		"umask":             {"0027", uint32(0o27), func(m *Mount) any { return m.FS.Umask }},
		"allow-other":       {"true", true, func(m *Mount) any { return m.FS.AllowOther }},
		"attrs":             {"exact", true, func(m *Mount) any { return m.Cache.ExactAttrs }},
		"acl":               {"public-read", "public-read", func(m *Mount) any { return m.Cache.ACL }},
		"metadata-ttl":      {"0", always, func(m *Mount) any { return m.Cache.MetadataTTL }},
		"memory":            {"64M", int64(64 << 20), func(m *Mount) any { return m.Cache.Memory }},
		"write-back":        {"true", true, func(m *Mount) any { return m.Cache.WriteBack }},
		"kernel-writes":     {"off", false, func(m *Mount) any { return m.Cache.KernelWrites }},
		"recover":           {"upload", true, func(m *Mount) any { return m.Cache.RecoverOpen }},
		"drain-time":        {"0", always, func(m *Mount) any { return m.DrainTime }},
		"late-time":         {"1s", time.Second, func(m *Mount) any { return m.Cache.LateTime }},
		"rename-limit":      {"5", 5, func(m *Mount) any { return m.Cache.RenameLimit }},
		"stage-dir":         {"/srv/stage", "/srv/stage", func(m *Mount) any { return m.Cache.StageDir }},
		"stage-size":        {"1.5G", int64(3 << 29), func(m *Mount) any { return m.Cache.StageSize }},
		"cache-dir":         {"/srv/cache", "/srv/cache /srv/cache/stage", func(m *Mount) any { return m.Cache.CacheDir + " " + m.Cache.StageDir }},
		"cache-size":        {"1.5G", int64(3 << 29), func(m *Mount) any { return m.Cache.CacheSize }},
		"part-size":         {"16MiB", int64(16 << 20), func(m *Mount) any { return m.Cache.PartSize }},
		"log-format":        {"json", true, func(m *Mount) any { return m.Log.JSON }},
		"foreground":        {"true", true, func(m *Mount) any { return m.Foreground }},
	}
}

func TestEveryOptionWorksInEveryPlace(t *testing.T) {
	cases := optionCases()
	for _, o := range mountOptions() {
		c, ok := cases[o.name]
		if !ok {
			if o.name != "config" {
				t.Errorf("no case for --%s", o.name)
			}
			continue
		}
		file := filepath.Join(t.TempDir(), "ncloudfs.yaml")
		if err := os.WriteFile(file, fmt.Appendf(nil, "# options\n%s: %s\n", o.name, c.value), 0o644); err != nil {
			t.Fatal(err)
		}
		for place, m := range map[string]*Mount{
			"flag":          mustMount(t, nil, "bucket", "/mnt", "--"+o.name+"="+c.value),
			"-o":            mustMount(t, nil, "bucket", "/mnt", "-o", o.name+"="+c.value),
			"environment":   mustMount(t, map[string]string{o.envName(): c.value}, "bucket", "/mnt"),
			"file":          mustMount(t, nil, "bucket", "/mnt", "--config", file),
			"file named -o": mustMount(t, nil, "bucket", "/mnt", "-o", "config="+file),
		} {
			if got := c.got(m); got != c.want {
				t.Errorf("%s in %s: got %v, want %v", o.name, place, got, c.want)
			}
		}
		if got := c.got(mustMount(t, nil, "bucket", "/mnt")); got == c.want {
			t.Errorf("%s: the case's value %v is the default", o.name, got)
		}
	}
}

func TestFlagBeatsListBeatsEnvironmentBeatsFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ncloudfs.yaml")
	if err := os.WriteFile(file, []byte("umask: 004\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	args := []string{"bucket", "/mnt", "--umask=001", "-o", "umask=002"}
	env := map[string]string{"NCLOUDFS_UMASK": "003", "NCLOUDFS_CONFIG": file}
	for want := uint32(1); want <= 4; want++ {
		if got := mustMount(t, env, args...).FS.Umask; got != want {
			t.Errorf("%q, %v: got %03o, want %03o", args, env, got, want)
		}
		switch want {
		case 1:
			args = []string{"bucket", "/mnt", "-o", "umask=002"}
		case 2:
			args = []string{"bucket", "/mnt"}
		case 3:
			delete(env, "NCLOUDFS_UMASK")
		}
	}
	if got := mustMount(t, nil, "bucket", "/mnt").FS.Umask; got != 0o022 {
		t.Errorf("default: got %03o", got)
	}
}

func TestDefaultsAreFilledIn(t *testing.T) {
	m := mustMount(t, nil, "bucket", "/mnt")
	if m.FS.UID != uint32(os.Getuid()) || m.FS.GID != uint32(os.Getgid()) || m.FS.Source != "s3://bucket" {
		t.Errorf("fs: %+v", m.FS)
	}
	if c := m.Cache; c.Memory < minMemory || c.Memory > maxDefaultMemory || c.PartSize != 8<<20 || c.MetadataTTL != time.Minute ||
		m.Store.Remote.RetryTime != 5*time.Minute || c.Bucket != "bucket" || !filepath.IsAbs(c.StageDir) {
		t.Errorf("cache: %+v", c)
	}
}

func TestNaversOwnVariablesCountWhenNothingElseIsSaid(t *testing.T) {
	env := map[string]string{"NCLOUD_REGION": "JPN", "NCLOUD_OBS_ENDPOINT": "https://example.com"}
	if r := mustMount(t, env, "bucket", "/mnt").Store.Remote; r.Region != "jp" || r.Endpoint != "https://example.com" {
		t.Errorf("got %q, %q", r.Region, r.Endpoint)
	}
	if r := mustMount(t, env, "bucket", "/mnt", "--region=sg").Store.Remote; r.Region != "sg" || r.Endpoint != "" {
		t.Errorf("with --region: got %q, %q", r.Region, r.Endpoint)
	}
}

func TestSourceIsBucketAndPrefix(t *testing.T) {
	for text, want := range map[string]Source{
		"bucket":             {"bucket", ""},
		"bucket/":            {"bucket", ""},
		"bucket/a b/한글":      {"bucket", "a b/한글/"},
		"@":                  {remote.Account, ""},
		"s3://bu.cket-1/a/b": {"bu.cket-1", "a/b/"},
	} {
		if got, err := ParseSource(text); err != nil || got != want {
			t.Errorf("%q: got %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "s3://", "a", "bucket//a", "bucket/a/../b", "bucket/.", "buc ket", "bucket/\xff", "gs://bucket", "@/bucket", "@x"} {
		if got, err := ParseSource(text); err == nil {
			t.Errorf("%q: accepted as %+v", text, got)
		}
	}
}
