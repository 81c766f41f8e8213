package test

import (
	"strings"
	"testing"
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
