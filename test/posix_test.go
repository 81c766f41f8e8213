package test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/hanwen/go-fuse/v2/posixtest"
	"golang.org/x/sys/unix"
)

// posixVariable names the directory that TestPosixCase is to use.
const posixVariable = "NCLOUDFS_TEST_POSIX"

// deviation is a test of posixtest that has to end otherwise than well.
type deviation struct {
	outcome string // FAIL or SKIP
	why     string // heading of SEMANTICS.md
}

// deviations are all that are known. One that is not needed any more fails.
func deviations() map[string]deviation {
	return map[string]deviation{
		"Link":             {"FAIL", "Hard links"},
		"LinkUnlinkRename": {"FAIL", "Hard links"},
		"Tmpfile":          {"SKIP", "Unnamed files"},
		"XAttrLarge":       {"SKIP", "Extended attributes"},
		// Calls fstat(2) on an open directory that a rename has replaced.
		"RenameOpenDir": {"SKIP", "Rename"},
		// Takes a lock twice in one process, where POSIX has no conflict.
		"FcntlFlockLocksFile": {"FAIL", "Locks"},
	}
}

// TestPosixCase runs one of go-fuse's tests in a process of its own, for
// TestPosix.
func TestPosixCase(t *testing.T) {
	dir := os.Getenv(posixVariable)
	for name, test := range posixtest.All {
		t.Run(name, func(t *testing.T) { test(t, dir) })
	}
}

func TestPosix(t *testing.T) {
	semantics, err := os.ReadFile("../fs/SEMANTICS.md")
	ok(t, err)
	for name, d := range deviations() {
		if _, known := posixtest.All[name]; !known {
			t.Errorf("%s is not a test of posixtest", name)
		}
		if !strings.Contains(string(semantics), "\n## "+d.why+"\n") {
			t.Errorf("%s: SEMANTICS.md has no heading %q", name, d.why)
		}
	}
	forEachServer(t, func(t *testing.T, s *store) {
		m := s.mount(t, root())
		p := m.start(t)
		for name := range posixtest.All {
			if name == "OpenSymlinkRace" && s.emulator == nil {
				continue // 4000 requests, and nothing that depends on the server
			}
			t.Run(name, func(t *testing.T) {
				ok(t, p.mkdir(name))
				want := deviations()[name].outcome
				if want == "" {
					want = "PASS"
				}
				if got, log := m.posix(t, name); got != want {
					t.Errorf("%s ends with %s, want %s\n%s", name, got, want, log)
				}
			})
		}
	})
}

// posix runs a test of posixtest in the directory of its name.
func (m *mounted) posix(t testing.TB, name string) (outcome, log string) {
	t.Helper()
	self, err := os.Executable()
	ok(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 3*patience) // OpenSymlinkRace makes 4000 requests
	defer cancel()
	cmd := exec.CommandContext(ctx, self, "-test.run=^TestPosixCase$/^"+name+"$", "-test.v")
	cmd.Env = append(os.Environ(), posixVariable+"="+m.path+"/"+name, quickExit)
	cmd.Cancel = func() error {
		m.dump()
		return cmd.Process.Signal(unix.SIGKILL)
	}
	out, _ := cmd.CombinedOutput() // the output tells how it ended
	outcomes := []string{"PASS", "FAIL", "SKIP"}
	for line := range bytes.Lines(out) {
		f := strings.Fields(string(line))
		if len(f) >= 3 && f[0] == "---" && f[2] == "TestPosixCase/"+name {
			if o := strings.TrimSuffix(f[1], ":"); slices.Contains(outcomes, o) {
				return o, string(out)
			}
		}
	}
	return "no outcome", string(out)
}
