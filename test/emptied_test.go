package test

import (
	"testing"

	"golang.org/x/sys/unix"
)

// TestUploadOfAnEmptiedFileComesWithTheNextClose, be it of a descriptor that is
// only for reading.
func TestUploadOfAnEmptiedFileComesWithTheNextClose(t *testing.T) {
	forEachServer(t, func(t *testing.T, s *store) {
		s.put(t, "file", "content")
		m := s.mount(t, root())
		p := m.start(t)
		w, err := p.open("file", unix.O_WRONLY|unix.O_TRUNC)
		ok(t, err)
		r, err := p.open("file", unix.O_RDONLY)
		ok(t, err)
		ok(t, w.close())
		ok(t, r.close())
		equal(t, "the object", s.content(t, "file"), "")
	})
}
