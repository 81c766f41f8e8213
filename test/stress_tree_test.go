package test

import (
	"maps"
	"math/rand/v2"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ncloudfs/remote/emulator"
)

// stress is many programs on one tree of a mount.
type stress struct {
	t       testing.TB
	s       *store
	m       *mounted
	mayGive []unix.Errno // any call, for the faults of the bucket

	// mayConflict is what the close of an edited file may give besides: a rename
	// over it failed, though one of its attempts had been carried out.
	mayConflict []unix.Errno

	mu       sync.Mutex // guards below
	failed   bool
	outcomes map[string]int // how often calls ended how
	own      map[string]ownFile
}

// ownFile is a file of one worker, after its close has succeeded.
type ownFile struct {
	content string
	mode    uint32 // 0: the chmod did not succeed
}

// TestProgramsAtOnce works for NCLOUDFS_TEST_RANDOM (15s) on one tree, with
// NCLOUDFS_TEST_SEED or a random one.
func TestProgramsAtOnce(t *testing.T) {
	t.Parallel()
	requireFUSE(t)
	for name, c := range map[string]struct {
		faults  []emulator.Fault
		mayGive []unix.Errno
	}{
		"without faults": {},
		"with faults that pass": {faults: []emulator.Fault{
			{Effect: emulator.Refuse, Code: "SlowDown", Every: 10},
			{Effect: emulator.Lose, Every: 13},
		}},
		"with requests that fail": {faults: []emulator.Fault{
			{Effect: emulator.Refuse, Code: "AccessDenied", Every: 17},
			{Effect: emulator.Refuse, Status: 500, Every: 10},
			{Effect: emulator.Lose, Every: 13},
		}, mayGive: []unix.Errno{unix.EIO, unix.EACCES}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, e := startEmulator(t, emulator.Options{})
			s := &stress{t: t, s: server, mayGive: c.mayGive, outcomes: map[string]int{}, own: map[string]ownFile{}}
			options := []string{"--metadata-ttl=300ms"}
			if c.mayGive != nil {
				s.mayConflict = []unix.Errno{unix.ESTALE}
				options = append(options, "--retry-time=1s")
			}
			s.m = server.mount(t, root(), options...)
			for _, f := range c.faults {
				e.Faults().Add(f)
			}
			s.run()
			e.Faults().Clear()
			s.check(c.faults != nil)
		})
	}
}

func (s *stress) run() {
	s.t.Helper()
	seed := rand.Uint64()
	if text := os.Getenv("NCLOUDFS_TEST_SEED"); text != "" {
		var err error
		seed, err = strconv.ParseUint(text, 10, 64)
		ok(s.t, err)
	}
	s.t.Logf("NCLOUDFS_TEST_SEED=%d", seed)
	var group sync.WaitGroup
	end := time.Now().Add(randomTime(s.t))
	for id := range 8 {
		w := &worker{stress: s, id: id, p: s.m.start(s.t), r: rand.New(rand.NewPCG(seed, uint64(id)))}
		group.Go(func() { w.run(end) })
	}
	group.Wait()
	for _, outcome := range slices.Sorted(maps.Keys(s.outcomes)) {
		s.t.Logf("%6d %s", s.outcomes[outcome], outcome)
	}
	if s.t.Failed() {
		s.t.FailNow()
	}
}

// check compares the mount with the bucket, and both with what was
// acknowledged, before and after the end of the mount.
func (s *stress) check(hadFaults bool) {
	s.t.Helper()
	if !await(patience, func() bool { return len(s.m.stagedFiles(s.t)) == 0 }) {
		out, _ := run(s.t, s.m.command("pending", s.m.path))
		s.t.Fatalf("not uploaded: %q, which are:\n%s", s.m.stagedFiles(s.t), out)
	}
	p := s.m.start(s.t)
	eventually(s.t, "the mount shows the bucket", func() bool { return maps.Equal(s.shown(p), s.stored()) })
	shown := s.shown(p)
	if code := s.m.stop(s.t); code != 0 {
		s.t.Errorf("exit code %d after SIGTERM", code)
	}
	if staged := s.m.stagedFiles(s.t); len(staged) > 0 {
		s.t.Errorf("left in the stage directory: %v", staged)
	}
	for u, err := range s.s.client.Uploads(contextOf(s.t), s.s.bucket, "") {
		s.t.Errorf("an upload was left: %v, %v", u, err)
	}
	s.checkSame(shown, s.stored())
	s.checkOwn(shown, hadFaults)
}

// shown is what the mount shows: files' contents, and "/" for directories.
func (s *stress) shown(p *program) map[string]string {
	s.t.Helper()
	all := map[string]string{}
	var walk func(dir string)
	walk = func(dir string) {
		names, err := p.readDir(dir)
		ok(s.t, err)
		for _, base := range names {
			name := path.Join(dir, base)
			st, err := p.lstat(name)
			ok(s.t, err)
			if st.Mode&unix.S_IFMT == unix.S_IFDIR {
				all[name] = "/"
				walk(name)
				continue
			}
			all[name], err = p.readFile(name)
			ok(s.t, err)
		}
	}
	walk("")
	return all
}

// stored is what another client would show of the bucket. An object that
// lies beside a directory has the name that the mount gives it.
func (s *stress) stored() map[string]string {
	s.t.Helper()
	all := map[string]string{}
	keys := s.s.keys(s.t, "")
	for _, key := range keys {
		for dir := path.Dir(key); dir != "."; dir = path.Dir(dir) {
			all[dir] = "/"
		}
	}
	for _, key := range keys {
		if strings.HasSuffix(key, "/") {
			continue
		}
		name := key
		if all[key] == "/" {
			name += "%{file}"
		}
		all[name] = s.s.content(s.t, key)
	}
	return all
}

func (s *stress) checkSame(shown, stored map[string]string) {
	s.t.Helper()
	for name := range shown {
		if _, found := stored[name]; !found {
			s.t.Errorf("the mount shows %q, which the bucket does not have", name)
		}
	}
	for name, content := range stored {
		got, found := shown[name]
		if !found {
			s.t.Errorf("the bucket has %q, which the mount does not show", name)
			continue
		}
		equal(s.t, name, got, content)
	}
}

// checkOwn looks for the files that were acknowledged, in whatever directory
// they are by now. Where a rename failed a file may be there twice.
func (s *stress) checkOwn(shown map[string]string, hadFaults bool) {
	s.t.Helper()
	places := map[string][]string{}
	for name := range shown {
		base := strings.TrimPrefix(path.Base(name), "temporary-")
		places[base] = append(places[base], name)
	}
	for base, want := range s.own {
		found := places[base]
		if len(found) == 0 || len(found) > 1 && !hadFaults {
			s.t.Errorf("%s was acknowledged and is at %q", base, found)
		}
		for _, name := range found {
			equal(s.t, name, shown[name], want.content)
			mode := strconv.Itoa(int(want.mode | unix.S_IFREG))
			if got := s.s.head(s.t, name).Meta["mode"]; want.mode != 0 && got != mode && !hadFaults {
				s.t.Errorf("%s has mode %s, want %s", name, got, mode)
			}
		}
	}
}
