package test

import (
	"testing"

	"golang.org/x/sys/unix"
)

// ok ends the test when something that must work did not.
func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// equal compares contents, of which it shows the beginnings.
func equal(t testing.TB, what, got, want string) {
	t.Helper()
	if got == want {
		return
	}
	at := 0
	for at < len(got) && at < len(want) && got[at] == want[at] {
		at++
	}
	t.Errorf("%s: got %d bytes, want %d; from byte %d on got %.40q, want %.40q", what, len(got), len(want), at, got[at:], want[at:])
}

func TestHandlesShareOneFile(t *testing.T) {
	forEachServer(t, func(t *testing.T, s *store) {
		m := s.mount(t, root())
		writer, reader := m.start(t), m.start(t)
		w, err := writer.open("shared", unix.O_WRONLY|unix.O_CREAT)
		ok(t, err)
		r, err := reader.open("shared", unix.O_RDONLY)
		ok(t, err)
		for _, text := range []string{"first", "other", "longer than before"} {
			_, err = w.pwrite(text, 0)
			ok(t, err)
			got, err := r.pread(100, 0)
			ok(t, err)
			equal(t, "the reader", got, text)
		}
		ok(t, w.close())
		ok(t, r.close())
		equal(t, "the object", s.content(t, "shared"), "longer than before")
		m.unmount(t)
	})
}
