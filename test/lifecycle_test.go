package test

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ncloudfs/remote"
	"ncloudfs/remote/emulator"
	"ncloudfs/remote/emulator/emulatortest"
)

// owners are who mounts: root directly, an ordinary user through fusermount3.
func owners() map[string]owner { return map[string]owner{"root": root(), "user": nobody()} }

// content returns what an object holds, as another client sees it.
func (s *store) content(t testing.TB, key string) string {
	t.Helper()
	s.sync(t)
	text, err := s.get(t, key)
	for range 3 { // the connection may be one that a fault cuts
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			text, err = s.get(t, key)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func (s *store) get(t testing.TB, key string) (string, error) {
	body, err := s.client.Get(contextOf(t), s.path(key), remote.GetOptions{})
	if err != nil {
		return "", err
	}
	defer body.Close()
	text, err := io.ReadAll(body)
	return string(text), err
}

func TestBackgroundMountAnswersWhenTheCommandReturns(t *testing.T) {
	requireFUSE(t)
	for name, who := range owners() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if who != root() {
				requireUser(t)
			}
			s, _ := startEmulator(t, emulator.Options{})
			dir := who.dir(t)
			t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) }) // only when the test failed
			if out, code := run(t, s.command(t, who, "mount", s.bucket, dir, "--allow-other=false")); code != 0 || out != "" {
				t.Fatalf("mount: exit code %d: %s", code, out)
			}
			if !isMounted(t, dir) {
				t.Fatal("not mounted")
			}
			if out, code := run(t, asOwner(who, "sh", "-c", "echo hello > "+dir+"/file && cat "+dir+"/file")); code != 0 || out != "hello\n" {
				t.Errorf("exit code %d: %s", code, out)
			}
			if out, code := run(t, s.command(t, who, "umount", dir)); code != 0 || out != "" {
				t.Errorf("umount: exit code %d: %s", code, out)
			}
			if isMounted(t, dir) {
				t.Error("still mounted")
			}
			if got := s.content(t, "file"); got != "hello\n" {
				t.Errorf("the object holds %q", got)
			}
			if out, code := run(t, s.command(t, who, "umount", dir)); code != 1 || !strings.Contains(out, "nothing is mounted") {
				t.Errorf("umount again: exit code %d: %s", code, out)
			}
		})
	}
}

func TestSignalFinishesUploads(t *testing.T) {
	for _, signal := range []unix.Signal{unix.SIGTERM, unix.SIGINT} {
		s, _ := startEmulator(t, emulator.Options{})
		m := s.mount(t, root())
		f, err := os.Create(filepath.Join(m.path, "open"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteString("written, not closed"); err != nil {
			t.Fatal(err)
		}
		if err := m.process.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
		if code := m.wait(t); code != 0 {
			t.Errorf("%v: exit code %d:\n%s", signal, code, m.log)
		}
		_ = f.Close() // the mount is gone
		if got := s.content(t, "open"); got != "written, not closed" {
			t.Errorf("%v: the object holds %q", signal, got)
		}
	}
}

func TestSecondSignalDoesNotWait(t *testing.T) {
	s, server := startEmulator(t, emulator.Options{})
	m := s.mount(t, root())
	f, err := os.Create(filepath.Join(m.path, "stuck"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString("never arrives"); err != nil {
		t.Fatal(err)
	}
	server.Faults().Add(emulator.Fault{Operation: emulator.OpPutObject, Effect: emulator.StallHeader})
	began := time.Now()
	for _, say := range []string{"a second signal does not wait", ""} {
		if err := m.process.Process.Signal(unix.SIGTERM); err != nil {
			t.Fatal(err)
		}
		if !await(10*time.Second, func() bool { return strings.Contains(m.log.String(), say) }) {
			t.Fatalf("does not say %q:\n%s", say, m.log)
		}
	}
	if code := m.wait(t); code != 1 {
		t.Errorf("exit code %d:\n%s", code, m.log)
	}
	if took := time.Since(began); took > 15*time.Second {
		t.Errorf("took %s:\n%s", took, m.log)
	}
}

func TestUnmountFromOutsideEndsTheProcess(t *testing.T) {
	s, _ := startEmulator(t, emulator.Options{})
	m := s.mount(t, root())
	if err := unix.Unmount(m.path, 0); err != nil {
		t.Fatal(err)
	}
	if code := m.wait(t); code != 0 {
		t.Errorf("exit code %d:\n%s", code, m.log)
	}
}

func TestNoSecretIsLogged(t *testing.T) {
	s, server := startEmulator(t, emulator.Options{})
	m := s.mount(t, root(), "--log-level=debug")
	server.Faults().Add(emulator.Fault{Operation: emulator.OpPutObject, Effect: emulator.Refuse, Code: "AccessDenied", Count: 1})
	for range 2 { // refused once, then accepted
		_ = os.WriteFile(filepath.Join(m.path, "file"), []byte("text"), 0o644)
	}
	if _, err := os.ReadFile(filepath.Join(m.path, "file")); err != nil {
		t.Error(err)
	}
	m.stop(t)
	if text := m.log.String(); strings.Contains(text, emulatortest.Alice().SecretKey) || strings.Contains(text, "Signature=") {
		t.Errorf("the log has a secret:\n%s", text)
	}
}

func TestDoctorAndBucketListAnswerOnTheCommandLine(t *testing.T) {
	s, _ := startEmulator(t, emulator.Options{})
	out, code := run(t, s.command(t, root(), "doctor", s.bucket))
	if code != 0 || strings.Contains(out, "✗") || !strings.Contains(out, "NCLOUD_ACCESS_KEY") {
		t.Errorf("doctor: exit code %d:\n%s", code, out)
	}
	if out, code = run(t, s.command(t, root(), "doctor", "nosuch")); code != 1 || !strings.Contains(out, "✗ bucket") {
		t.Errorf("doctor of a missing bucket: exit code %d:\n%s", code, out)
	}
	if out, code = run(t, s.command(t, root(), "bucket", "ls")); code != 0 || !strings.HasPrefix(out, s.bucket+" ") {
		t.Errorf("bucket ls: exit code %d:\n%s", code, out)
	}
}

func TestDemoCleansUpAfterCtrlC(t *testing.T) {
	requireFUSE(t)
	s, _ := startEmulator(t, emulator.Options{})
	dir := root().dir(t)
	kept := root().dir(t)
	log := &logBuffer{}
	cmd := s.command(t, root(), "demo", dir, "--dir", kept)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	mounted := await(20*time.Second, func() bool { return strings.Contains(log.String(), "Ctrl-C") && isMounted(t, dir) })
	if mounted {
		write(t, filepath.Join(dir, "file"))
	}
	if err := cmd.Process.Signal(unix.SIGINT); err != nil {
		t.Error(err)
	}
	if err := cmd.Wait(); err != nil || !mounted || isMounted(t, dir) {
		t.Errorf("mounted: %v, then %v:\n%s", mounted, err, log)
	}
	if _, err := os.Stat(filepath.Join(kept, "client.yaml")); err == nil {
		t.Error("the keys are left behind")
	}
}
