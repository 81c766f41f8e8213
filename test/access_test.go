package test

import (
	"strings"
	"testing"
	"time"
)

func TestWhoMayEnter(t *testing.T) {
	requireUser(t)
	forEachServer(t, func(t *testing.T, s *store) {
		s.put(t, "file", "text")
		closed := s.mount(t, root())
		open := s.mount(t, root(), "--allow-other")
		open.sh(t, "echo secret > secret; chmod 600 secret; chmod 755 "+open.path)
		as := func(m *mounted, script string) (string, int) {
			return run(t, asOwner(nobody(), "sh", "-c", script, "sh", m.path))
		}
		if out, code := as(closed, "ls $1"); code == 0 {
			t.Errorf("another user sees %q", out)
		}
		if out, code := as(open, "cat $1/file"); code != 0 || out != "text" {
			t.Errorf("with --allow-other another user gets %q", out)
		}
		for _, script := range []string{"cat $1/secret", "echo x > $1/file", "touch $1/new", "rm -f $1/file"} {
			if out, code := as(open, script); code == 0 {
				t.Errorf("another user may do %s: %s", script, out)
			}
		}
	})
}

// TestAccessAgreesWithALocalDirectory: who may change what, and which bits a
// change takes away.
func TestAccessAgreesWithALocalDirectory(t *testing.T) {
	requireUser(t)
	forEachServer(t, func(t *testing.T, s *store) {
		const setup = `umask 022
chmod 777 .
for name in theirs ours; do
	mkdir $name; echo text > $name/file; chmod 755 $name
	for mode in 4755 2755 6777 2746 1777; do echo text > $name/$mode; chmod $mode $name/$mode; done
done
mkdir sticky ours/shared; chmod 1777 sticky; echo text > sticky/theirs; chgrp 12345 ours/shared; chmod 2777 ours/shared
chown -R 65534:65534 ours; chgrp 12345 ours/shared; chmod 2777 ours/shared`
		const asNobody = `cd "$1"
try() { "$@" 2>/dev/null; echo "$?: $*"; }
for name in theirs ours; do
	try chown 1:1 $name/file; try chown 65534 $name/file; try chgrp 12345 $name/file; try chgrp 65534 $name/file
	try chmod 600 $name/file; try chmod 4711 $name/4755; try touch -d @1000000000 $name/2746; try touch $name/6777
	try sh -c "echo more >> $name/6777"; try truncate -s 2 $name/2755; try truncate -s 2 $name/6777; try cp /dev/null $name/4755
	try setfattr -n user.a -v b $name/1777; try rm -f $name/2746; try mv $name/file $name/moved; try ln -s x $name/link
	try mkdir $name/new
done
try rm -f sticky/theirs; try mv sticky/theirs sticky/moved; try touch sticky/ours; try chmod 2755 ours/shared
try touch ours/shared/new; try mkdir ours/shared/dir; try cat theirs/none; try ls theirs`
		const byRoot = `chown 65534 theirs/6777; chown 0 ours/2755; chgrp 1 ours/4755; chown 1:1 ours/new; echo more >> theirs/4755
find . -mindepth 1 \( -type f -printf '%P %m %U:%G %s\n' -o -printf '%P %y %m %U:%G\n' \) | sort`
		outcome := func(sh shell) string {
			sh.run(t, time.Minute, setup)
			out, code := run(t, asOwner(nobody(), "bash", "-c", asNobody, "bash", sh.dir))
			if code != 0 {
				t.Errorf("exit code %d: %s", code, out)
			}
			return out + sh.run(t, time.Minute, byRoot)
		}
		want := outcome(localDir(t))
		m := s.mount(t, root(), "--allow-other", "--kernel-writes=off")
		sameLines(t, "the mount", outcome(m.shell()), want)
	})
}

func TestOrdinaryUserMountsThroughFusermount(t *testing.T) {
	requireUser(t)
	forEachServer(t, func(t *testing.T, s *store) {
		content := random(2 << 20)
		s.put(t, "large", content)
		m := s.mount(t, nobody())
		equal(t, "read", m.sh(t, "cat large"), content)
		m.sh(t, "mkdir dir; cp large dir/copy; echo text > dir/small; mv dir moved; ln -s small moved/link; chmod 600 moved/small")
		equal(t, "the copy", s.content(t, "moved/copy"), content)
		equal(t, "owner and mode", m.sh(t, "stat -c '%u:%g %a' moved/small"), "65534:65534 600\n")
		equal(t, "uid", s.head(t, "moved/small").Meta["uid"], "65534")
		m.unmount(t)
		equal(t, "the keys", strings.Join(s.keys(t, ""), " "), "large moved/ moved/copy moved/link moved/small")
	})
}

func TestReadOnlyMountRefusesChanges(t *testing.T) {
	forEachServer(t, func(t *testing.T, s *store) {
		s.put(t, "dir/file", "text")
		m := s.mount(t, root(), "--read-only")
		equal(t, "reading", m.sh(t, "cat dir/file; ls dir"), "textfile\n")
		for _, script := range []string{"echo x > new", "echo x >> dir/file", "rm dir/file", "mkdir new", "chmod 600 dir/file",
			"mv dir/file new", "truncate -s 0 dir/file", "ln -s x y", "setfattr -n user.x -v x dir/file"} {
			if out, err := m.trySh(t, script); err == nil || !strings.Contains(out, "Read-only file system") {
				t.Errorf("%s: %v: %s", script, err, out)
			}
		}
		equal(t, "the keys", strings.Join(s.keys(t, ""), " "), "dir/file")
	})
}

func TestPrefixMountShowsOnlyWhatLiesBelow(t *testing.T) {
	forEachServer(t, func(t *testing.T, s *store) {
		for _, key := range []string{"outside", "pre", "prefix-not", "pre/fix/inside", "pre/fixed"} {
			s.put(t, key, "text")
		}
		below := *s
		below.bucket += "/pre/fix"
		m := below.mount(t, root())
		equal(t, "the mount", m.sh(t, "ls -A"), "inside\n")
		m.sh(t, "echo new > new; mkdir dir; mv inside dir")
		m.unmount(t)
		equal(t, "the keys", strings.Join(s.keys(t, "pre/fix/"), " "), "pre/fix/dir/ pre/fix/dir/inside pre/fix/new")
	})
}

func TestLocks(t *testing.T) {
	forEachServer(t, func(t *testing.T, s *store) {
		m := s.mount(t, root())
		m.sh(t, `exec 9> lock
flock 9
if flock -n lock true; then echo locked twice; exit 1; fi
flock -u 9
flock -n lock true`)
		m.sh(t, `echo 'CREATE TABLE t(x); INSERT INTO t VALUES(1); SELECT x FROM t;' | sqlite3 db | grep -q 1
sqlite3 db 'PRAGMA integrity_check' | grep -q ok`)
	})
}
