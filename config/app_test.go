package config

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"ncloudfs/fs/control"
	"ncloudfs/remote"
)

// typed is what a command line came to: the struct of its command.
type typed struct {
	mount  *Mount
	umount *control.UmountOptions
	status *control.StatusOptions
	sync   *control.SyncOptions
	pend   *control.PendingOptions
	demo   *Demo
	doctor *Doctor
	store  *Store // of a command that needs nothing but the service
	out    string
}

// run types a command line in an environment of its own.
func run(t *testing.T, env map[string]string, args ...string) (typed, error) {
	t.Helper()
	var got typed
	var out bytes.Buffer
	app := &App{
		Version: "v1.2.3",
		Stdout:  &out,
		Stderr:  &out,
		LookupEnv: func(name string) (string, bool) {
			if v, ok := env[name]; ok {
				return v, true
			}
			return "/home/user", name == "HOME"
		},
		Mount:   func(_ context.Context, m *Mount) error { got.mount = m; return nil },
		Umount:  func(_ context.Context, u control.UmountOptions) error { got.umount = &u; return nil },
		Status:  func(_ context.Context, s control.StatusOptions) error { got.status = &s; return nil },
		Sync:    func(_ context.Context, s control.SyncOptions) error { got.sync = &s; return nil },
		Pending: func(_ context.Context, p control.PendingOptions) error { got.pend = &p; return nil },
		Demo:    func(_ context.Context, d *Demo) error { got.demo = d; return nil },
		Doctor:  func(_ context.Context, d *Doctor) error { got.doctor = d; return nil },
		WithClient: func(_ context.Context, s Store, _ func(context.Context, *remote.Client) error) error {
			got.store = &s
			return nil
		},
	}
	err := app.Run(t.Context(), args)
	got.out = out.String()
	return got, err
}

// mustMount types a mount command that is right.
func mustMount(t *testing.T, env map[string]string, args ...string) *Mount {
	t.Helper()
	got, err := run(t, env, append([]string{"ncloudfs", "mount"}, args...)...)
	if err != nil {
		t.Fatalf("%q: %v", args, err)
	}
	if got.mount == nil {
		t.Fatalf("%q: no mount, printed %q", args, got.out)
	}
	return got.mount
}

// refused types a command line that is wrong and returns what it says.
func refused(t *testing.T, env map[string]string, args ...string) string {
	t.Helper()
	got, err := run(t, env, args...)
	if err == nil {
		t.Fatalf("%q: accepted: %+v", args, got)
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("%q: more than one line: %q", args, err)
	}
	if got.mount != nil || got.doctor != nil || got.store != nil || got.demo != nil || got.umount != nil || got.pend != nil {
		t.Errorf("%q: ran although refused", args)
	}
	return err.Error()
}

func TestFlagsStandBeforeOrAfterArguments(t *testing.T) {
	for _, args := range [][]string{
		{"--umask", "077", "-f", "bucket/a", "/mnt/x"},
		{"bucket/a", "/mnt/x", "-f", "--umask=077"},
		{"bucket/a", "--umask", "077", "/mnt/x", "--foreground"},
		{"-o", "umask=077", "bucket/a", "/mnt/x", "-f"},
		{"bucket/a", "/mnt/x", "-oumask=077,foreground"},
		{"-f", "-umask=077", "--", "bucket/a", "/mnt/x"},
		{"s3://bucket/a/", "/mnt/x/", "-f", "--umask=077"},
	} {
		m := mustMount(t, nil, args...)
		if m.Source != (Source{"bucket", "a/"}) || m.Mountpoint != "/mnt/x" || !m.Foreground || m.FS.Umask != 0o077 {
			t.Errorf("%q: got %+v", args, m)
		}
	}
}

func TestHelpNamesEveryOption(t *testing.T) {
	for _, args := range [][]string{{"mount", "--help"}, {"help", "mount"}, {"mount", "bucket", "-h"}} {
		got, err := run(t, nil, append([]string{"ncloudfs"}, args...)...)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range mountOptions() {
			if !strings.Contains(got.out, "--"+o.name) {
				t.Errorf("%q does not show --%s", args, o.name)
			}
		}
		for line := range strings.Lines(got.out) {
			if len(line) > 121 {
				t.Errorf("%d columns: %q", len(line)-1, line)
			}
		}
	}
}

func TestHelpNamesEveryCommand(t *testing.T) {
	for _, args := range [][]string{{"ncloudfs"}, {"ncloudfs", "--help"}, {"ncloudfs", "help"}} {
		got, err := run(t, nil, args...)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range (&App{}).commands() {
			if !strings.Contains(got.out, c.name) {
				t.Errorf("%q does not show %s:\n%s", args, c.name, got.out)
			}
		}
	}
}

func TestVersionIsPrinted(t *testing.T) {
	for _, args := range [][]string{{"ncloudfs", "version"}, {"ncloudfs", "--version"}} {
		got, err := run(t, nil, args...)
		if err != nil || !strings.Contains(got.out, "v1.2.3") {
			t.Errorf("%q: %q, %v", args, got.out, err)
		}
	}
}

func TestEveryCommandGetsItsArguments(t *testing.T) {
	got, err := run(t, nil, "ncloudfs", "umount", "/mnt/x")
	if err != nil || got.umount.Mountpoint != "/mnt/x" || got.umount.DrainTime != 0 {
		t.Errorf("umount: %+v, %v", got.umount, err)
	}
	got, err = run(t, nil, "ncloudfs", "umount", "--drain-time=90", "/mnt/x")
	if err != nil || got.umount.Mountpoint != "/mnt/x" || got.umount.DrainTime != 90*time.Second {
		t.Errorf("umount: %+v, %v", got.umount, err)
	}
	got, err = run(t, nil, "ncloudfs", "sync", "/mnt/x")
	if err != nil || got.sync.Mountpoint != "/mnt/x" {
		t.Errorf("sync: %+v, %v", got.sync, err)
	}
	got, err = run(t, nil, "ncloudfs", "status", "/mnt/x", "--json")
	if err != nil || got.status.Mountpoint != "/mnt/x" || !got.status.JSON {
		t.Errorf("status: %+v, %v", got.status, err)
	}
	got, err = run(t, nil, "ncloudfs", "demo", "/mnt/x", "--dir", "/srv/demo")
	if err != nil || got.demo.Dir != "/srv/demo" || !got.demo.Mount.Foreground || got.demo.Mount.Mountpoint != "/mnt/x" {
		t.Errorf("demo: %+v, %v", got.demo, err)
	}
	got, err = run(t, nil, "ncloudfs", "doctor", "bucket", "--read-only", "--region=jp")
	if err != nil || !got.doctor.ReadOnly || got.doctor.Source.Bucket != "bucket" || got.doctor.Store.Remote.Region != "jp" {
		t.Errorf("doctor: %+v, %v", got.doctor, err)
	}
	got, err = run(t, nil, "ncloudfs", "bucket", "ls", "--json", "--profile", "p")
	if err != nil || got.store.Profile != "p" {
		t.Errorf("bucket ls: %+v, %v", got.store, err)
	}
}

func TestPendingTellsAMountPointFromNames(t *testing.T) {
	env := map[string]string{"NCLOUDFS_STAGE_DIR": "/srv/env", "NCLOUDFS_DISCARD": "true", "NCLOUDFS_ALL": "true"}
	for _, test := range []struct {
		want control.PendingOptions
		args []string
	}{
		{control.PendingOptions{Mountpoint: "/mnt/x", JSON: true}, []string{"/mnt/x", "--json"}},
		{control.PendingOptions{Mountpoint: "/mnt/x", Names: []string{"a", "b"}, Retry: true}, []string{"/mnt/x", "a", "b", "--retry"}},
		{control.PendingOptions{Mountpoint: "/mnt/x", All: true, Discard: true}, []string{"--discard", "--all", "/mnt/x"}},
		{control.PendingOptions{StageDir: "/srv/env"}, nil},
		{control.PendingOptions{StageDir: "/srv/x"}, []string{"--stage-dir=/srv/x"}},
		{control.PendingOptions{StageDir: "/srv/x", Names: []string{"a"}, Export: "/tmp/a"}, []string{"-o", "stage-dir=/srv/x", "a", "--export=/tmp/a"}},
		{control.PendingOptions{StageDir: "/srv/env"}, []string{"--cache-dir=/srv/x"}},
	} {
		got, err := run(t, env, append([]string{"ncloudfs", "pending"}, test.args...)...)
		if err != nil {
			t.Errorf("%q: %v", test.args, err)
			continue
		}
		o, w := got.pend, test.want
		if o.Mountpoint != w.Mountpoint || o.StageDir != w.StageDir || !slices.Equal(o.Names, w.Names) || o.Export != w.Export ||
			o.All != w.All || o.Retry != w.Retry || o.Discard != w.Discard || o.JSON != w.JSON {
			t.Errorf("%q: got %+v", test.args, *o)
		}
	}
	got, err := run(t, nil, "ncloudfs", "pending", "--cache-dir=/srv/x")
	if err != nil || got.pend.StageDir != "/srv/x/stage" {
		t.Errorf("--cache-dir: %+v, %v", got.pend, err)
	}
}

func TestMistakesGetOneClearLine(t *testing.T) {
	mount := func(args ...string) []string { return append([]string{"ncloudfs", "mount", "bucket", "/mnt"}, args...) }
	for _, test := range []struct {
		want string
		args []string
	}{
		{"unknown option --cach-dir: did you mean --cache-dir?", mount("--cach-dir=/x")},
		{"unknown mount option cach_dir: did you mean cache-dir?", mount("-o", "cach_dir=/x")},
		{"unknown option --qqqq", mount("--qqqq")},
		{"unknown option -x", mount("-x")},
		{"--memory needs a value", mount("--memory")},
		{"-o memory needs a value", mount("-o", "memory")},
		{"MOUNTPOINT is missing", []string{"ncloudfs", "mount", "bucket"}},
		{"SOURCE is missing", []string{"ncloudfs", "mount"}},
		{"MOUNTPOINT is empty", []string{"ncloudfs", "mount", "bucket", ""}},
		{"is below the mount point", mount("--stage-dir=/mnt/x/stage")},
		{"the cache directory /mnt/x/cache is below the mount point", mount("--cache-dir=/mnt/x/cache", "--stage-dir=/srv")},
		{"must be at least 16M", mount("--cache-size=1M")},
		{"unknown mount option", mount("-o", "=x")},
		{"too many arguments", mount("/more")},
		{`unknown command "mout": did you mean "mount"?`, []string{"ncloudfs", "mout", "a", "b"}},
		{`unknown command "lss"`, []string{"ncloudfs", "bucket", "lss"}},
		{"options stand after the command", []string{"ncloudfs", "--umask=0", "mount", "bucket", "/mnt"}},
		{`is the whole SOURCE`, []string{"ncloudfs", "mount", "@/bucket", "/mnt"}},
		{`name one bucket`, []string{"ncloudfs", "doctor", "@"}},
		{`name one bucket`, []string{"ncloudfs", "bucket", "uploads", "ls", "@"}},
		{"--endpoint", []string{"ncloudfs", "mount", "https://kr.object.ncloudstorage.com/b", "/mnt"}},
		{"is a path, not a bucket", []string{"ncloudfs", "mount", "/b", "/mnt"}},
		{"is not the name of a bucket", []string{"ncloudfs", "mount", "b", "/mnt"}},
		{"-o noexec is not supported", mount("-o", "noexec")},
		{"-o remount is not supported", mount("-o", "ro,remount")},
		{"unknown mount option read-only", []string{"ncloudfs", "bucket", "ls", "-o", "ro"}},
		{"unknown option --log-level", []string{"ncloudfs", "doctor", "bucket", "--log-level=debug"}},
		{"--anonymous contradicts --server-role", mount("--anonymous", "--server-role")},
		{"--profile contradicts --server-role", mount("--profile=p", "--server-role")},
		{"--anonymous contradicts --profile", mount("--anonymous", "--profile=p")},
		{`--memory is given twice, as "64M" and as "128M"`, mount("--memory=64M", "--memory", "128M")},
		{"-o rw \"false\" contradicts -o ro \"true\"", mount("-o", "ro,rw")},
		{"-o rw \"false\" contradicts -o read-only \"true\"", mount("-o", "read-only", "-o", "rw")},
		{"--part-size 64MiB does not fit", mount("--part-size=64M", "--memory=64M")},
		{"must be a multiple of 4M", mount("--part-size=9M")},
		{"must be a multiple of 4M", mount("--part-size=4M")},
		{"must be at least 32M", mount("--memory=1M")},
		{"must be a size", mount("--stage-size=0")},
		{"at least 1", mount("--rename-limit=0")},
		{"must be keep or upload", mount("--recover=all")},
		{`-o sync "false" contradicts -o write-back "true"`, mount("-o", "write-back,sync")},
		{"exclude each other", []string{"ncloudfs", "pending", "/mnt", "--retry", "--discard", "a"}},
		{"--all contradicts", []string{"ncloudfs", "pending", "/mnt", "--retry", "--all", "a"}},
		{"say what to do with it", []string{"ncloudfs", "pending", "/mnt", "a"}},
		{"name one PATH or ID", []string{"ncloudfs", "pending", "/mnt", "--export=x", "a", "b"}},
		{"name what to act on", []string{"ncloudfs", "pending", "/mnt", "--discard"}},
		{"must be a time", mount("--metadata-ttl=soon")},
		{"must be at least 1s", mount("--retry-time=0")},
		{"must be octal", mount("--umask=999")},
		{"must be listing or exact", mount("--attrs=all")},
		{"must be text or json", mount("--log-format=xml")},
		{"no user of that name", mount("--uid=no-such-user")},
		{"must be a number", mount("--gid=4294967295")},
		{"must be true or false", mount("--read-only=perhaps")},
		{"--older-than is missing", []string{"ncloudfs", "bucket", "uploads", "abort", "bucket"}},
		{"must be a time", []string{"ncloudfs", "bucket", "uploads", "abort", "bucket", "--older-than=xd"}},
		{"without a prefix", []string{"ncloudfs", "bucket", "remove", "bucket/prefix"}},
		{"must be private or", []string{"ncloudfs", "bucket", "make", "bucket", "--acl=preserve"}},
		{`unknown command "sett"`, []string{"ncloudfs", "bucket", "cors", "sett"}},
		{"must end after the host name", mount("--endpoint=https://example.com/bucket")},
		{"must begin with https://", mount("--endpoint=ftp://example.com")},
	} {
		if got := refused(t, nil, test.args...); !strings.Contains(got, test.want) {
			t.Errorf("%q:\n got %s\nwant %s", test.args, got, test.want)
		}
	}
}

func TestWhatIsMountsBusinessIsIgnored(t *testing.T) {
	m := mustMount(t, nil, "bucket", "/mnt", "-o",
		"rw,nosuid,nodev,noatime,_netdev,nofail,user,x-systemd.automount,x-systemd.idle-timeout=60,default_permissions,comment=hello,allow_other")
	if m.Cache.ReadOnly || !m.FS.AllowOther {
		t.Errorf("got %+v", m)
	}
}

func TestMountHelperReadsWhatMountPasses(t *testing.T) {
	for _, program := range []string{"/sbin/mount.ncloudfs", "mount.fuse.ncloudfs"} {
		got, err := run(t, nil, program, "bucket/a", "/mnt/x", "-sn", "-v", "-t", "fuse.ncloudfs", "-o", "ro,nosuch=1,uid=7")
		if err != nil {
			t.Fatal(err)
		}
		if m := got.mount; !m.Cache.ReadOnly || m.FS.UID != 7 || m.Source.Bucket != "bucket" || m.Foreground {
			t.Errorf("got %+v", m)
		}
	}
	if got, err := run(t, nil, "mount.ncloudfs", "bucket", "/mnt/x", "-f"); err != nil || got.mount != nil {
		t.Errorf("-f mounted: %+v, %v", got.mount, err)
	}
	refused(t, nil, "mount.ncloudfs", "bucket", "/mnt/x", "-o", "nosuch=1")
	refused(t, nil, "mount.ncloudfs", "bucket", "/mnt/x", "-q")
}
