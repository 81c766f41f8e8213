package test

import (
	"fmt"
	"testing"

	"golang.org/x/sys/unix"
)

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

func TestAppendersShareTheEnd(t *testing.T) {
	forEachServer(t, func(t *testing.T, s *store) {
		s.put(t, "log", "begin\n")
		m := s.mount(t, root())
		var files []*file
		for range 2 {
			f, err := m.start(t).open("log", unix.O_WRONLY|unix.O_APPEND)
			ok(t, err)
			files = append(files, f)
		}
		want := "begin\n"
		for i := range 20 {
			line := fmt.Sprintf("line %d\n", i)
			_, err := files[i%2].write(line)
			ok(t, err)
			want += line
		}
		ok(t, files[0].close())
		equal(t, "after the first close", s.content(t, "log"), want)
		_, err := files[1].write("end\n")
		ok(t, err)
		ok(t, files[1].close())
		equal(t, "after the last close", s.content(t, "log"), want+"end\n")
	})
}

func TestTruncatingOpenIsSeenByOthers(t *testing.T) {
	forEachServer(t, func(t *testing.T, s *store) {
		s.put(t, "file", "what was there")
		m := s.mount(t, root())
		p := m.start(t)
		old, err := p.open("file", unix.O_RDWR)
		ok(t, err)
		w, err := m.start(t).open("file", unix.O_WRONLY|unix.O_TRUNC)
		ok(t, err)
		got, err := old.readAll()
		ok(t, err)
		equal(t, "the other handle", got, "")
		_, err = w.pwrite("new", 0)
		ok(t, err)
		_, err = old.pwrite("!", 3)
		ok(t, err)
		ok(t, w.close())
		ok(t, old.close())
		equal(t, "the object", s.content(t, "file"), "new!")
	})
}
