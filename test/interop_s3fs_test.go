package test

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ncloudfs/remote/emulator/emulatortest"
)

// s3fs mounts the bucket by s3fs as root, until the test's end.
func (s *store) s3fs(t testing.TB) shell {
	t.Helper()
	requirePrograms(t, "s3fs")
	s.syncAll(t)
	dir, private, log := root().dir(t), localDir(t), &logBuffer{}
	alice := emulatortest.Alice()
	keys := private.path("passwd")
	if err := os.WriteFile(keys, []byte(alice.AccessKey+":"+alice.SecretKey), 0o600); err != nil {
		t.Fatal(err)
	}
	options := []string{"url=" + s.endpoint, "passwd_file=" + keys, "tmpdir=" + private.dir, "use_path_request_style",
		"endpoint=kr-standard", "use_xattr", "dbglevel=warn"}
	cmd := exec.Command("s3fs", s.bucket, dir, "-f", "-o", strings.Join(options, ","))
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: unix.SIGKILL} // when the tests are killed
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // its exit code says nothing
		close(ended)
	}()
	hang := func() { _ = cmd.Process.Kill() } // may have ended
	t.Cleanup(func() {
		_ = cmd.Process.Signal(unix.SIGTERM) // may have ended
		select {
		case <-ended:
		case <-time.After(30 * time.Second):
			hang()
			<-ended
		}
		_ = unix.Unmount(dir, unix.MNT_DETACH) // a leftover, if it was killed
		if t.Failed() {
			t.Logf("s3fs says:\n%s", beginning(log.String()))
		}
	})
	if !await(20*time.Second, func() bool { return isMounted(t, dir) }) {
		t.Fatalf("s3fs does not mount:\n%s", log)
	}
	return shell{dir, hang}
}

// interopTree makes in a directory what s3fs and ncloudfs can both keep.
const interopTree = `
	mkdir -p directory/empty closed
	echo "some text" > file
	: > nothing
	cp "$1/random" large
	for mode in 755 600 4711 444; do echo $mode > mode$mode; chmod $mode mode$mode; done
	echo "odd name" > "directory/a name & + % ? = é 한글.txt"
	echo owned > owned; chown 1234:5678 owned
	ln -s directory/file link; ln -s /nonexistent/target dangling
	chown -h 1234:5678 dangling
	echo hidden > closed/hidden; chown 1234:5678 closed; chmod 2750 closed
	find . -mindepth 1 -depth -exec touch -h -d '2001-02-03 04:05:06.123456789' {} +
	touch -d '1999-12-31 23:59:59' nothing
	touch -d '1971-01-01' mode600
	touch -d '2005-06-07 08:09:10.25' directory`

// interopAttributes sets xattrs; printAttributes prints those of a tree.
const (
	interopAttributes = `
		setfattr -n user.color -v blue file
		setfattr -n user.binary -v 0x00ff0a22 file
		setfattr -n user.color -v red directory`
	printAttributes = `find . -mindepth 1 ! -type l -print0 | sort -z | xargs -0r getfattr -d -m '^user\.' -e hex`
	attributes      = "# file: directory\nuser.color=0x726564\n\n# file: file\nuser.binary=0x00ff0a22\nuser.color=0x626c7565\n\n"
)

// exchange makes a tree through one mount, which must read through the other
// as one made on a local disk.
func exchange(t *testing.T, writer shell, reader func() shell) {
	source, local := localDir(t), localDir(t)
	if err := os.WriteFile(source.path("random"), []byte(random(20000000)), 0o644); err != nil {
		t.Fatal(err)
	}
	local.run(t, time.Minute, interopTree, source.dir)
	want := local.describe(t)
	writer.run(t, 2*time.Minute, interopTree, source.dir)
	writer.run(t, time.Minute, interopAttributes)
	sameLines(t, "what the writer sees", writer.describe(t), want)
	other := reader()
	sameLines(t, "what the reader sees", other.describe(t), want)
	if got := other.run(t, time.Minute, printAttributes); got != attributes {
		t.Errorf("xattrs:\n%swant:\n%s", got, attributes)
	}
}

func TestS3FSReadsWhatWasWritten(t *testing.T) {
	requirePrograms(t, "s3fs", "getfattr")
	forEachServer(t, func(t *testing.T, s *store) {
		exchange(t, s.mount(t, root()).shell(), func() shell { return s.s3fs(t) })
	})
}

func TestReadsWhatS3FSWrote(t *testing.T) {
	requirePrograms(t, "s3fs", "getfattr")
	forEachServer(t, func(t *testing.T, s *store) {
		exchange(t, s.s3fs(t), func() shell { return s.mount(t, root(), "--attrs=exact").shell() })
	})
}
