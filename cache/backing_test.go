package cache

import (
	"os"
	"testing"
)

// backed is a mount with a disk cache, and a Backing of its only object.
func backed(t *testing.T) (*mounted, *Backing, []byte) {
	t.Helper()
	m := mount(t, Options{CacheDir: t.TempDir()})
	body := contentOf(version("object", sealSize+777))
	o := m.put("object", body)
	r := m.Reader(o)
	defer r.Close()
	for off := int64(0); off < o.Size; off += mib {
		view, err := r.Read(t.Context(), off, mib)
		noError(t, err)
		view.Release()
	}
	var b *Backing
	eventually(t, "the object is sealed", func() bool {
		b = m.Backing(o)
		return b != nil
	})
	return m, b, body
}

// holds checks what the kernel would read.
func (b *Backing) holds(t testing.TB, want []byte) {
	t.Helper()
	got, err := os.ReadFile(b.file.data.Name())
	if os.IsNotExist(err) { // its name is gone
		got = make([]byte, len(want)+1)
		n, _ := b.file.data.ReadAt(got, 0) // ends early
		got = got[:n]
	}
	if string(got) != string(want) {
		t.Errorf("the backing has other bytes: %d of them, want %d", len(got), len(want))
	}
}

func TestBackingIsOfOneNode(t *testing.T) {
	m, b, body := backed(t)
	o, err := m.other.Head(t.Context(), m.path("object"))
	noError(t, err)
	if m.Backing(o) != nil {
		t.Error("two have the same")
	}
	b.holds(t, body)
	for m.tier.giveWay() {
	}
	b.holds(t, body)
	if used := m.tier.used; used < o.Size {
		t.Errorf("%d bytes used while a file of %d is open", used, o.Size)
	}
	b.Close()
	if b = m.Backing(o); b == nil {
		t.Fatal("evicted while it was in use")
	}
	b.Close()
	eventually(t, "what nobody uses any more gives way", func() bool { // a writer of blocks may be just done
		m.tier.giveWay()
		m.tier.mu.Lock()
		defer m.tier.mu.Unlock()
		return m.tier.used == 0
	})
}

func TestMirrorFollowsWhatIsWritten(t *testing.T) {
	m, b, body := backed(t)
	defer b.Close()
	e, err := m.Stat(t.Context(), "object")
	noError(t, err)
	e, err = m.Describe(t.Context(), "object", e)
	noError(t, err)
	s, err := m.OpenStaged("object", StageOptions{Base: e, Attr: e.Attr})
	noError(t, err)
	noError(t, s.Mirror(b))
	noError(t, s.Mirror(b)) // once more is harmless
	b.holds(t, body)

	_, err = s.WriteAt([]byte("written"), 70_000)
	noError(t, err)
	copy(body[70_000:], "written")
	b.holds(t, body)
	noError(t, s.Truncate(80_000))
	noError(t, s.Truncate(90_000))
	body = append(body[:80_000], make([]byte, 10_000)...)
	b.holds(t, body)
	noError(t, s.Commit(t.Context()))
	if m.Backing(e.Object) != nil {
		t.Error("what was written to is still the version")
	}
	s.Unmirror(b)
	_, err = s.WriteAt([]byte("later"), 0)
	noError(t, err)
	b.holds(t, body)
	s.Release()
}

// TestWhatAnEditTakesFromItsBaseIsNotPutOnDisk: the version is replaced by what
// is made of it.
func TestWhatAnEditTakesFromItsBaseIsNotPutOnDisk(t *testing.T) {
	m := mount(t, Options{CacheDir: t.TempDir()})
	const size = 20 << 20
	m.put("large", random("base", size))
	s := m.edit("large")
	defer s.Release()
	m.write(s, []byte("edited"), size/2)
	m.commit(s)
	m.tier.flush()
	m.tier.mu.Lock()
	defer m.tier.mu.Unlock()
	if m.tier.used > 0 {
		t.Errorf("%d bytes on disk", m.tier.used)
	}
}
