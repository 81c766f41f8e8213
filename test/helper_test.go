package test

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"ncloudfs/remote/emulator"
)

// TestMountHelperMountsInTheBackground calls the program as mount(8) does.
func TestMountHelperMountsInTheBackground(t *testing.T) {
	requireFUSE(t)
	s, _ := startEmulator(t, emulator.Options{})
	for _, name := range []string{"mount.ncloudfs", "mount.fuse.ncloudfs"} {
		dir := root().dir(t)
		helper := filepath.Join(t.TempDir(), name)
		if err := os.Symlink(build(t), helper); err != nil {
			t.Fatal(err)
		}
		cmd := s.command(t, root(), "s3://"+s.bucket, dir, "-n", "-o", "rw,_netdev,nofail,user,exec,x-systemd.requires=network.target")
		cmd.Path, cmd.Args[0] = helper, helper
		if out, code := run(t, cmd); code != 0 || out != "" {
			t.Fatalf("%s: exit code %d: %s", name, code, out)
		}
		t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) }) // only when the test failed
		if !isMounted(t, dir) {
			t.Errorf("%s: not mounted", name)
		}
		if out, code := run(t, s.command(t, root(), "umount", dir)); code != 0 {
			t.Errorf("%s: umount: exit code %d: %s", name, code, out)
		}
	}
}
