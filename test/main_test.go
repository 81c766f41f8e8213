// Package test has the black-box tests: the built program, real mounts, a
// child process for each.
package test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

func TestMain(m *testing.M) {
	if os.Getenv(agentVariable) != "" {
		serveAgent()
		return
	}
	if err := selectTests(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	code := m.Run()
	if leaks := running.leaks(); len(leaks) > 0 {
		fmt.Fprintln(os.Stderr, "left behind by the tests:", strings.Join(leaks, ", "))
		code = 1
	}
	built.remove()
	armed.remove()
	os.Exit(code)
}

// binary is the program, built once for all tests.
type binary struct {
	once sync.Once // guards the fields below
	dir  string
	path string
	out  string
	err  error
}

// The program as users have it, and one that dies or panics at steps.
var built, armed binary

// build returns the path of the program, which every user may run: that of
// NCLOUDFS_TEST_BINARY, else one built with the race detector if the tests are.
func build(t testing.TB) string {
	t.Helper()
	return built.build(t, os.Getenv("NCLOUDFS_TEST_BINARY"), func(path string) *exec.Cmd {
		if raceEnabled {
			return exec.Command("go", "build", "-race", "-o", path, "..")
		}
		return exec.Command("../scripts/build", path)
	})
}

// buildArmed returns the path of a program that dies or panics at the step that
// NCLOUDFS_STEP names.
func buildArmed(t testing.TB) string {
	t.Helper()
	return armed.build(t, os.Getenv("NCLOUDFS_TEST_ARMED_BINARY"), func(path string) *exec.Cmd {
		return exec.Command("go", "build", "-tags", "steps", "-o", path, "..")
	})
}

func (b *binary) build(t testing.TB, given string, command func(path string) *exec.Cmd) string {
	t.Helper()
	b.once.Do(func() {
		if b.path = given; b.path != "" {
			return
		}
		if b.dir, b.err = os.MkdirTemp("", "ncloudfs-test-"); b.err != nil {
			return
		}
		if b.err = os.Chmod(b.dir, 0o755); b.err != nil {
			return
		}
		b.path = filepath.Join(b.dir, "ncloudfs")
		out, err := command(b.path).CombinedOutput()
		b.out, b.err = string(out), err
	})
	if b.err != nil {
		t.Fatalf("build: %v\n%s", b.err, b.out)
	}
	return b.path
}

func (b *binary) remove() {
	if b.dir != "" {
		_ = os.RemoveAll(b.dir) // a leftover in the temporary directory harms nobody
	}
}

// require skips a test whose surroundings are not here, and fails instead when
// TEST_REQUIRE lists them: fuse, ceph, user, programs.
func require(t testing.TB, what string, here bool, why string) {
	t.Helper()
	if here {
		return
	}
	if slices.Contains(strings.Split(os.Getenv("TEST_REQUIRE"), ","), what) {
		t.Fatalf("%s is required by TEST_REQUIRE: %s", what, why)
	}
	t.Skipf("needs %s: %s", what, why)
}

// requireFUSE is for tests that mount.
func requireFUSE(t testing.TB) {
	t.Helper()
	f, err := os.OpenFile("/dev/fuse", os.O_RDWR, 0)
	if err == nil {
		f.Close()
	}
	require(t, "fuse", err == nil, "/dev/fuse cannot be opened")
}

// requireUser is for tests that become another user.
func requireUser(t testing.TB) {
	t.Helper()
	_, err := exec.LookPath("fusermount3")
	require(t, "user", os.Geteuid() == 0 && err == nil, "it takes root, to become an ordinary user, and fusermount3")
}
