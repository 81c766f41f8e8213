package test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// shell runs scripts in a directory. They are child processes: a mount that
// hangs does not hang the test.
type shell struct {
	dir  string
	hang func() // ends what serves dir, so that what waits for it goes on; nil: a local directory
}

// shell runs scripts in the mount, as root, that may take longer than sh's.
func (m *mounted) shell() shell { return shell{m.path, m.dump} }

// localDir makes a local directory for scripts.
func localDir(t testing.TB) shell {
	t.Helper()
	return shell{dir: root().dir(t)}
}

// path is where name of the directory is in the tree.
func (sh shell) path(name string) string { return filepath.Join(sh.dir, name) }

// run runs a script of bash with the directory as $PWD and its arguments as
// $1 and so on, and returns what it printed. It must succeed within the limit.
func (sh shell) run(t testing.TB, limit time.Duration, script string, args ...string) string {
	t.Helper()
	out, err := sh.try(limit, script, args...)
	if err != nil {
		t.Fatalf("%s: %v\n%s", script, err, out)
	}
	return out
}

// try is run for scripts that may fail.
func (sh shell) try(limit time.Duration, script string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	// The shell enters the directory: in exec.Cmd it would be a hanging fork of
	// the test's.
	words := append([]string{"-euo", "pipefail", "-c", "cd -- \"$DIR\"\n" + script, "bash"}, args...)
	cmd := exec.CommandContext(ctx, "bash", words...)
	// No settings of the user who runs the tests.
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C.UTF-8", "TZ=UTC", "HOME=/nonexistent", "DIR=" + sh.dir}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error {
		if sh.hang != nil {
			sh.hang()
		}
		return unix.Kill(-cmd.Process.Pid, unix.SIGKILL)
	}
	cmd.WaitDelay = 10 * time.Second
	out, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		err = fmt.Errorf("not done after %s: %w", limit, err)
	}
	return string(out), err
}

// requirePrograms is for tests that run other programs on a mount.
func requirePrograms(t testing.TB, names ...string) {
	t.Helper()
	var missing []string
	for _, name := range names {
		if _, err := exec.LookPath(name); err != nil {
			missing = append(missing, name)
		}
	}
	require(t, "programs", len(missing) == 0, "not installed: "+strings.Join(missing, ", "))
}

// describe says everything of the tree below a directory that a copy must
// keep, a line for each thing: type, mode, owner, size, mtime in nanoseconds,
// name, target, and each file's checksum.
func (sh shell) describe(t testing.TB) string {
	t.Helper()
	return sh.run(t, 2*time.Minute, `
		{ find . -mindepth 1 \( -type d -printf 'directory %m %U:%G %T@ %P\n' \) \
			-o \( -type l -printf 'link %U:%G %T@ %P -> %l\n' \) \
			-o -printf '%y %m %U:%G %s %T@ %P\n'
		  find . -type f -print0 | xargs -0r sha256sum
		} | sort`)
}

// sameLines compares texts whose lines have no order, and reports what only
// one of them has.
func sameLines(t testing.TB, what, got, want string) {
	t.Helper()
	count := map[string]int{}
	for line := range strings.Lines(want) {
		count[line]++
	}
	var extra, missing strings.Builder
	for line := range strings.Lines(got) {
		if count[line]--; count[line] < 0 {
			extra.WriteString(line)
		}
	}
	for line := range strings.Lines(want) {
		if count[line] > 0 {
			missing.WriteString(line)
		}
	}
	if extra.Len()+missing.Len() == 0 {
		return
	}
	t.Errorf("%s differs.\ngot:\n%swant:\n%s", what, beginning(extra.String()), beginning(missing.String()))
}

// beginning shortens what a failure prints.
func beginning(text string) string {
	const most = 4 << 10
	if len(text) <= most {
		return text
	}
	return text[:most] + "...\n"
}

// sourceTree makes a tree as archives hold it: sources of Go's own below a
// directory of its library, and what else file systems have: modes, owners,
// times to the nanosecond, links, empty things and odd names.
func sourceTree(t testing.TB, library string) shell {
	t.Helper()
	sh := localDir(t)
	sh.run(t, time.Minute, `
		cp -r --preserve=timestamps "$1/src/$2" .
		chmod -R u+w .
		mkdir -p odd/empty odd/closed/deeper
		cd odd
		: > nothing
		for mode in 755 600 4711 444; do echo $mode > mode$mode; chmod $mode mode$mode; done
		echo text > "closed/a name with spaces & + % ? = é 한글.txt"
		echo nobody > owned
		ln -s ../"$2" link
		ln -s ../nothing closed/up
		ln -s /nonexistent/target dangling
		chown -h 1234:5678 owned link
		chmod 700 closed
		find . -depth -exec touch -h -d '2001-02-03 04:05:06.123456789' {} +
		touch -d '1971-01-01' mode600
		touch -h -d '2010-11-12 13:14:15.5' dangling`, goroot(t), library)
	return sh
}

// goroot is where Go's sources are.
func goroot(t testing.TB) string {
	t.Helper()
	out, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}
