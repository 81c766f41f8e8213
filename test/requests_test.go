package test

import (
	"errors"
	"fmt"
	"maps"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ncloudfs/remote"
	"ncloudfs/remote/emulator"
)

// What operations are called in counts.
const (
	opPut     = emulator.OpPutObject
	opGet     = emulator.OpGetObject
	opHead    = emulator.OpHeadObject
	opCopy    = emulator.OpCopyObject
	opDelete  = emulator.OpDeleteObject
	opDeletes = emulator.OpDeleteObjects
	opList    = emulator.OpListObjects
	opACL     = emulator.OpGetObjectACL
	opSetACL  = emulator.OpPutObjectACL
)

type counts = map[string]int

// expect compares the requests of an action with want.
func expect(t testing.TB, s *store, what string, want counts, action func()) {
	t.Helper()
	if got := requests(t, s, action); !maps.Equal(got, want) {
		t.Errorf("%s: got requests %v, want %v", what, got, want)
	}
}

// listedMount mounts an emulated bucket that holds small, listed objects a, b
// and c, of which the mount has seen the listing.
func listedMount(t *testing.T, options ...string) (*store, *mounted) {
	t.Helper()
	t.Parallel()
	s, _ := startEmulator(t, emulator.Options{})
	for _, key := range []string{"a", "b", "c"} {
		s.put(t, key, "object "+key+"\n")
	}
	m := s.mount(t, root(), options...)
	m.sh(t, "ls >/dev/null")
	return s, m
}

// shellCost checks what a script costs.
func shellCost(t *testing.T, s *store, m *mounted, script string, want counts) {
	t.Helper()
	expect(t, s, script, want, func() { m.sh(t, script) })
}

// attrsCost is shellCost for a script that changes attributes, once the bucket has
// them.
func attrsCost(t *testing.T, s *store, m *mounted, script string, want counts) {
	t.Helper()
	expect(t, s, script, want, func() {
		m.sh(t, script)
		s.syncAll(t)
	})
}

func TestCreatingASmallFileIsOnePut(t *testing.T) {
	s, m := listedMount(t)
	shellCost(t, s, m, "echo new > new", counts{opPut: 1})
	shellCost(t, s, m, "cp new /dev/null; cat new; test -s new", counts{})
	shellCost(t, s, m, "mkdir fresh", counts{opPut: 1})
	shellCost(t, s, m, "echo new > fresh/new", counts{opPut: 1})
	shellCost(t, s, m, "cp a fresh/copy", counts{opCopy: 1})
}

func TestFirstLookupIsOneListPage(t *testing.T) {
	t.Parallel()
	s, _ := startEmulator(t, emulator.Options{})
	s.put(t, "dir/file", "text")
	m := s.mount(t, root())
	p := m.start(t)
	lookup := func(name string, want error) func() {
		return func() {
			if _, err := p.lstat(name); !errors.Is(err, want) {
				t.Errorf("lstat %s: got %v, want %v", name, err, want)
			}
		}
	}
	expect(t, s, "first lookup in the root", counts{opList: 1}, lookup("dir", nil))
	expect(t, s, "first lookup in dir", counts{opList: 1}, lookup("dir/file", nil))
	expect(t, s, "what is not there", counts{}, lookup("dir/absent", unix.ENOENT))
	expect(t, s, "again", counts{}, lookup("dir/file", nil))
}

func TestReadingASmallListedFileIsOneGet(t *testing.T) {
	s, m := listedMount(t)
	shellCost(t, s, m, "cat a", counts{opGet: 1})
	shellCost(t, s, m, "cat a", counts{})
	shellCost(t, s, m, "test -e b && stat b && head -c 3 b && tail -c 3 b", counts{opGet: 1})
	shellCost(t, s, m, "cat b; grep -c object b", counts{})
}

func TestDirectReadsAreARequestEach(t *testing.T) {
	s, m := listedMount(t)
	shellCost(t, s, m, "cat a; cat a", counts{opGet: 1})
	shellCost(t, s, m, "dd if=a bs=4 iflag=direct status=none", counts{opHead: 1, opGet: 3}) // 9 bytes
	shellCost(t, s, m, "cat a", counts{})
}

func TestEveryCloseWithNewBytesIsOnePut(t *testing.T) {
	s, m := listedMount(t)
	// The shell's echo is a builtin: nothing is closed between the two.
	shellCost(t, s, m, "(echo a; echo b) > builtin", counts{opPut: 1})
	// Each printf is a process that closes its descriptor, at its end.
	shellCost(t, s, m, "(/usr/bin/printf a; /usr/bin/printf b) > programs", counts{opPut: 2, opACL: 1})
	shellCost(t, s, m, "> empty", counts{opPut: 1})
	shellCost(t, s, m, ": > empty", counts{opACL: 1, opPut: 1})
	shellCost(t, s, m, "touch touched", counts{opPut: 1})
	shellCost(t, s, m, "dd if=/dev/zero of=zeros bs=64k count=4 status=none", counts{opPut: 1})
	shellCost(t, s, m, "dd if=/dev/zero of=zeros bs=1 count=1 seek=9 conv=notrunc status=none", counts{opACL: 1, opHead: 1, opPut: 1})
	shellCost(t, s, m, "cat < a > copy", counts{opCopy: 1})
	p := m.start(t)
	f, err := p.open("kept", unix.O_RDWR|unix.O_CREAT)
	ok(t, err)
	expect(t, s, "fsync, with something to send and without", counts{opPut: 1}, func() {
		_, err := f.pwrite("text", 0)
		ok(t, err)
		ok(t, f.fsync())
		ok(t, f.fsync())
		ok(t, f.close())
	})
}

func TestAppendingToAnExistingFileIsKnown(t *testing.T) {
	s, m := listedMount(t)
	// HEAD for the metadata to keep, HEAD for what another client did, GET for
	// the bytes before, and one look at the ACL to keep.
	shellCost(t, s, m, "echo more >> a", counts{opACL: 1, opHead: 2, opGet: 1, opPut: 1})
	shellCost(t, s, m, "echo more >> a", counts{opACL: 1, opHead: 1, opPut: 1})
	equal(t, "a", s.content(t, "a"), "object a\nmore\nmore\n")
}

func TestListingIsItsPages(t *testing.T) {
	t.Parallel()
	s, _ := startEmulator(t, emulator.Options{})
	const names = 2500
	s.putMany(t, "large", names, "x", nil)
	m := s.mount(t, root())
	m.sh(t, "ls >/dev/null") // the root
	shellCost(t, s, m, fmt.Sprintf("test $(ls -l large | tail -n +2 | wc -l) = %d", names), counts{opList: 3})
	shellCost(t, s, m, "ls -l large >/dev/null; stat large/1234; ! test -e large/absent", counts{})
}

func TestChangesCostWhatTheyMust(t *testing.T) {
	s, m := listedMount(t)
	attrsCost(t, s, m, "chmod 600 a", counts{opACL: 1, opHead: 1, opCopy: 1})
	attrsCost(t, s, m, "chmod 640 a", counts{opACL: 1, opCopy: 1})
	attrsCost(t, s, m, "touch -d 2001-02-03 c; chmod 600 c; chown 12:34 c; setfattr -n user.a -v b c", counts{opACL: 1, opHead: 1, opCopy: 1})
	attrsCost(t, s, m, "chmod 644 c; cp c copied", counts{opACL: 1, opCopy: 2})
	attrsCost(t, s, m, "echo new > new; chmod 600 new; mv new newer; rm newer", counts{opPut: 1, opCopy: 1, opDelete: 2})
	shellCost(t, s, m, "mv b renamed", counts{opACL: 1, opCopy: 1, opDelete: 1})
	shellCost(t, s, m, "mv a over; mv over renamed", counts{opACL: 2, opCopy: 2, opDelete: 2})
	shellCost(t, s, m, "rm c", counts{opDelete: 1})
	shellCost(t, s, m, "mkdir dir", counts{opPut: 1})
	shellCost(t, s, m, "rmdir dir", counts{opList: 1, opDelete: 1})
	shellCost(t, s, m, "ln -s renamed link; readlink link", counts{opPut: 1})
}

// TestRenamingADirectoryIsACopyOfEachObject, and one request for all deletions.
func TestRenamingADirectoryIsACopyOfEachObject(t *testing.T) {
	const objects = 1000
	for _, c := range []struct {
		acl  string
		want counts
	}{
		{"preserve", counts{opACL: objects, opCopy: objects, opDeletes: 1, opList: 2}},
		{"private", counts{opCopy: objects, opDeletes: 1, opList: 2}},
	} {
		t.Run(c.acl, func(t *testing.T) {
			t.Parallel()
			s, _ := startEmulator(t, emulator.Options{})
			s.putMany(t, "dir", objects, "x", nil)
			m := s.mount(t, root(), "--acl="+c.acl)
			m.sh(t, "ls >/dev/null")
			shellCost(t, s, m, "mv dir moved", c.want)
			if got := len(s.keys(t, "moved/")); got != objects {
				t.Errorf("%d objects are at the new name, want %d", got, objects)
			}
		})
	}
}

func TestKeepingAnACLIsOneRequest(t *testing.T) {
	s, m := listedMount(t)
	shellCost(t, s, m, "setfattr -n user.ncloud.acl -v public-read a b c", counts{opSetACL: 3})
	shellCost(t, s, m, "getfattr --only-values -n user.ncloud.acl a", counts{opACL: 2}) // it asks for the length first
	shellCost(t, s, m, "echo new > new; rm new", counts{opPut: 1, opDelete: 1})
	shellCost(t, s, m, "echo x > b", counts{opACL: 1, opHead: 1, opPut: 1})
	shellCost(t, s, m, "echo y > b", counts{opACL: 1, opPut: 1})
	shellCost(t, s, m, `setfattr -n user.ncloud.acl -v '[{"id":"ncp-2-0","permission":"READ"}]' c`, counts{opACL: 1, opSetACL: 1})
	attrsCost(t, s, m, "chmod 600 c", counts{opACL: 1, opHead: 1, opCopy: 1, opSetACL: 1})
	shellCost(t, s, m, "mv c d", counts{opACL: 1, opCopy: 1, opSetACL: 1, opDelete: 1})
	shellCost(t, s, m, "echo new > d", counts{opACL: 1, opPut: 1, opSetACL: 1})
}

func TestOneACLForAllIsNoRequest(t *testing.T) {
	s, m := listedMount(t, "--acl=public-read")
	shellCost(t, s, m, "echo new > new", counts{opPut: 1})
	shellCost(t, s, m, "echo newer > new", counts{opPut: 1})
	shellCost(t, s, m, "mv new newest", counts{opCopy: 1, opDelete: 1})
	acl, err := s.client.ACL(t.Context(), s.path("newest"))
	ok(t, err)
	equal(t, "the ACL", acl.Canned(), remote.PublicRead)
}

func TestIdleMountSendsNothing(t *testing.T) {
	s, m := listedMount(t, "--metadata-ttl=100ms")
	m.sh(t, "cat a; echo x > x; mkdir d; chmod 600 b")
	s.syncAll(t)
	expect(t, s, "an idle mount", counts{}, func() { time.Sleep(time.Second) })
}
