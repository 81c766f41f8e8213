package cache

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"ncloudfs/remote"
	"ncloudfs/remote/emulator"
)

// aged mounts a bucket, with exact attributes, of n objects below d/ that are older
// than the second in which a version is doubtful.
func aged(t *testing.T, n int, o Options) *mounted {
	t.Helper()
	o.ExactAttrs = true
	m := mount(t, o)
	m.fill("d/", n)
	m.ahead.Add(10)
	m.server.ResetCounts()
	return m
}

// walkDir asks for the attributes of the first n names of d, in order.
func (m *mounted) walkDir(n int) {
	m.t.Helper()
	v, err := m.Cache.ReadDir(m.t.Context(), "d")
	if err != nil {
		m.t.Fatal(err)
	}
	for i := range n {
		if e := m.stat(Name("d").Join(v.Base(i))); !e.Known {
			m.t.Fatalf("%s is not known: %+v", v.Base(i), e)
		}
	}
}

// settled waits until nothing is asked for any more, and returns the HEADs.
func (m *mounted) settled() int {
	m.t.Helper()
	m.commits.Wait()
	return m.server.Counts()[emulator.OpHeadObject]
}

func TestStatWalkAsksForEachNameOnce(t *testing.T) {
	const names = 1200
	m := aged(t, names, Options{})
	m.walkDir(names)
	m.checkRequests("first walk", counts{emulator.OpListObjects: 2, emulator.OpHeadObject: names})
	m.walkDir(names)
	m.checkRequests("second walk", counts{})
}

func TestStatWalkIsAsFastAsItsHeadsAtOnce(t *testing.T) {
	t.Parallel()
	const names, latency = 640, 50 * time.Millisecond
	m := aged(t, names, Options{})
	m.server.Faults().Add(emulator.Fault{Operation: emulator.OpHeadObject, Effect: emulator.Delay, After: latency})
	began := time.Now()
	m.walkDir(names)
	// 10 times 64 at once, and some to see that it is a walk: 0.75 s; one by one: 32 s.
	if took := time.Since(began); took > 100*latency {
		t.Errorf("a walk over %d names took %v", names, took)
	}
}

func TestStatWalkThatStopsHasAskedFor64InVain(t *testing.T) {
	for _, c := range []struct{ walked, most int }{{1, 1}, {2, 2}, {3, 5}, {100, 100 + headsInFlight}} {
		m := aged(t, 400, Options{})
		m.walkDir(c.walked)
		if got := m.settled(); got > c.most {
			t.Errorf("walk over %d of 400: %d HEADs, want at most %d", c.walked, got, c.most)
		}
		if got := m.settled(); c.walked == 100 && got < 110 {
			t.Errorf("walk over %d of 400: %d HEADs, so that nothing was asked for ahead", c.walked, got)
		}
	}
}

func TestReadingNamesAsksForNoAttributes(t *testing.T) {
	m := aged(t, 50, Options{})
	v, err := m.Cache.ReadDir(t.Context(), "d")
	if err != nil {
		t.Fatal(err)
	}
	for i := range v.Len() {
		if e, ok, err := v.Lookup(t.Context(), i); ok || err != nil {
			t.Fatalf("%+v %v %v", e, ok, err)
		}
		if v.IsTyped(v.At(i).Entry) {
			t.Error("an empty object passes for a file")
		}
	}
	m.checkRequests("reading names", counts{emulator.OpListObjects: 1})
	m.stat("d/00000")
	for i := range v.Len() {
		if e, ok, err := v.Lookup(t.Context(), i); !ok || err != nil || !e.Known {
			t.Fatalf("name %d in a walk: %+v %v %v", i, e, ok, err)
		}
	}
	m.checkRequests("a walk", counts{emulator.OpHeadObject: 50})
}

func TestMetadataChangedByOthersIsSeenAfterTheTTL(t *testing.T) {
	t.Parallel()
	for name, later := range map[string]int64{"in the same second": 0, "a second later": 1} {
		m := mount(t, Options{ExactAttrs: true, MetadataTTL: 100 * time.Millisecond})
		m.put("d/a", nil, remote.PutOptions{Meta: remote.Meta{"mode": "33188"}})
		if e := m.stat("d/a"); e.Attr.Mode != 0o100644 {
			t.Fatalf("%s: %+v", name, e)
		}
		m.ahead.Add(later)
		m.put("d/a", nil, remote.PutOptions{Meta: remote.Meta{"mode": "33152"}}) // has the same ETag
		eventually(t, "the change "+name, func() bool { return m.stat("d/a").Attr.Mode == 0o100600 })
		m.ahead.Add(10)
		eventually(t, "nothing is asked for again", func() bool {
			time.Sleep(150 * time.Millisecond) // beyond the TTL
			m.server.ResetCounts()
			m.stat("d/a")
			return m.server.Counts()[emulator.OpHeadObject] == 0
		})
	}
}

func TestMarkerChangedByOthersIsSeenAfterTheTTL(t *testing.T) {
	t.Parallel()
	m := mount(t, Options{ExactAttrs: true, MetadataTTL: 100 * time.Millisecond})
	mode := func(want string) { m.put("d/", nil, remote.PutOptions{Meta: remote.Meta{"mode": want}}) }
	mode("16877")
	if e := m.stat("d"); e.Attr.Mode != 0o40755 {
		t.Fatalf("%+v", e)
	}
	mode("16832")
	eventually(t, "the change", func() bool { return m.stat("d").Attr.Mode == 0o40700 })
}

// walkNames returns "d/00", "d/01" and so on.
func walkNames(n int) []Name {
	all := make([]Name, n)
	for i := range all {
		all[i] = Name(fmt.Sprintf("d/%02d", i))
	}
	return all
}

func TestStatWalkProvesItself(t *testing.T) {
	now := time.Now()
	w := &statWalk{}
	all := walkNames(99)
	var got []int
	for i, n := range all[:8] {
		room := w.want(n, false, now)
		got = append(got, room)
		for _, next := range all[i+1:] {
			if room > 0 && w.ahead(next) {
				room--
			}
		}
	}
	if want := []int{0, 0, 2, 3, 5, 9, 17, 33}; !slices.Equal(got, want) {
		t.Errorf("asked for %v ahead, want %v", got, want)
	}
	if len(w.pending) != headsInFlight {
		t.Errorf("%d are pending", len(w.pending))
	}
	if room := w.want("d/98", false, now); room != 0 {
		t.Errorf("%d more beside what nobody wants", room)
	}
	if room := w.want("d/97", false, now.Add(2*statWalkPause)); room != 0 || len(w.pending) != 0 {
		t.Errorf("after a pause: %d ahead, %v pending", room, slices.Collect(maps.Keys(w.pending)))
	}
}

func TestStatWalkGoesOnInTheNextDirectory(t *testing.T) {
	s := newStatWalks()
	s.want("above/x", false)
	for _, n := range walkNames(10) {
		s.want("above/"+n, false)
	}
	if room := s.want("above/next/a", false); room == 0 {
		t.Error("the walk begins anew in the next directory")
	}
	if !s.walks("above/next") || s.walks("other") {
		t.Error("who walks is not who does")
	}
	s.ahead("above/next/b")
	if room := s.want("above/third/a", false); room != 0 {
		t.Error("goes on though the last directory was not walked to its end")
	}
}
