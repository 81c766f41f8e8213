package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// roleVariable makes the test binary play the child of Start.
const roleVariable = "DAEMON_TEST_ROLE"

// TestMain is also the child's.
func TestMain(m *testing.M) {
	if role := os.Getenv(roleVariable); role != "" {
		if err := play(role, os.Args[1]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// play is the child: it keeps its state in dir.
func play(role, dir string) error {
	parent := FindParent()
	switch role {
	case "fails":
		parent.Failed("no such bucket")
		return nil
	case "dies":
		os.Exit(3)
	case "waits":
		stop, _ := Signals()
		<-stop.Done()
		parent.Failed("asked to stop")
		return nil
	}
	log, err := OpenLog(LogOptions{}, parent, dir)
	if err != nil {
		return err
	}
	if err := parent.Ready(log.File); err != nil {
		return err
	}
	stop, _ := Signals()
	session, err := unix.Getsid(0)
	if err != nil {
		return err
	}
	wd, err := os.Getwd()
	if err != nil {
		return err
	}
	fmt.Fprintln(os.Stderr, "a crash")
	if err := os.WriteFile(filepath.Join(dir, "child"), fmt.Appendf(nil, "%d %d %s", os.Getpid(), session, wd), 0o600); err != nil {
		return err
	}
	if err := os.Rename(filepath.Join(dir, "child"), filepath.Join(dir, "running")); err != nil {
		return err
	}
	<-stop.Done()
	return os.WriteFile(filepath.Join(dir, "ended"), nil, 0o600)
}

// start starts the test binary as a child in a role.
func start(ctx context.Context, t *testing.T, role, dir string) error {
	t.Helper()
	t.Setenv(roleVariable, role)
	return Start(ctx, []string{"ncloudfs", dir})
}

// wait waits for a file and returns what is in it.
func wait(t *testing.T, name string) string {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if text, err := os.ReadFile(name); err == nil {
			return string(text)
		}
	}
	t.Fatalf("%s does not appear", name)
	return ""
}

func TestChildLivesOnInItsOwnSession(t *testing.T) {
	dir := t.TempDir()
	if err := start(t.Context(), t, "ready", dir); err != nil {
		t.Fatal(err)
	}
	words := strings.Fields(wait(t, filepath.Join(dir, "running")))
	if words[1] != words[0] || words[2] != "/" {
		t.Errorf("pid %s has session %s and works in %s", words[0], words[1], words[2])
	}
	stop(t, dir)
	name := filepath.Join(dir, "ncloudfs.log")
	if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("log: %v, %v", info, err)
	}
	if text, err := os.ReadFile(name); err != nil || !strings.Contains(string(text), "a crash") {
		t.Errorf("log has %q, %v", text, err)
	}
}

func TestChildKeepsNothingOpenOfTheCaller(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := unix.FcntlInt(w.Fd(), unix.F_SETFD, 0); err != nil { // inherited, as from a shell
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := start(t.Context(), t, "ready", dir); err != nil {
		t.Fatal(err)
	}
	w.Close()
	if err := r.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("the child has the caller's pipe: %v", err)
	}
	stop(t, dir)
}

// stop ends a child that is ready.
func stop(t *testing.T, dir string) {
	t.Helper()
	pid, err := strconv.Atoi(strings.Fields(wait(t, filepath.Join(dir, "running")))[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Kill(pid, unix.SIGTERM); err != nil {
		t.Fatal(err)
	}
	wait(t, filepath.Join(dir, "ended"))
}

func TestFailureOfTheChildIsTheParents(t *testing.T) {
	if err := start(t.Context(), t, "fails", t.TempDir()); err == nil || err.Error() != "no such bucket" {
		t.Errorf("got %v", err)
	}
	if err := start(t.Context(), t, "dies", t.TempDir()); err == nil || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("got %v", err)
	}
}

func TestStoppingTheParentStopsTheChild(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := start(ctx, t, "waits", t.TempDir()); err == nil {
		t.Error("ready although it was asked to stop")
	}
}
