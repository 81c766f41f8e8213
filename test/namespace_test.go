package test

import (
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"ncloudfs/remote/emulator"
)

// TestMountThatAnotherNamespaceHoldsEnds: a container that was started
// meanwhile has a copy of all mounts.
func TestMountThatAnotherNamespaceHoldsEnds(t *testing.T) {
	t.Parallel()
	requireFUSE(t)
	s, _ := startEmulator(t, emulator.Options{})
	m := s.mount(t, root())
	ok(t, m.start(t).writeFile("file", "content"))
	ready := filepath.Join(root().dir(t), "ready")
	container := exec.Command("unshare", "--mount", "--propagation", "private", "sh", "-c", "echo > "+ready+"; exec sleep 1000")
	ok(t, container.Start())
	t.Cleanup(func() {
		_ = container.Process.Kill() // may have ended
		_ = container.Wait()         // killed
	})
	eventually(t, "the namespace is there", func() bool { return unix.Access(ready, unix.F_OK) == nil })
	if code := m.stop(t); code != 0 {
		t.Errorf("exit code %d after SIGTERM", code)
	}
	equal(t, "the object", s.content(t, "file"), "content")
}
