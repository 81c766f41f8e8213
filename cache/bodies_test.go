package cache

import (
	"os"
	"strconv"
	"strings"
	"testing"
)

// resident returns the process's memory, in bytes.
func resident(t *testing.T) int64 {
	t.Helper()
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Fatal(err)
	}
	pages, err := strconv.ParseInt(strings.Fields(string(b))[1], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return pages * int64(os.Getpagesize())
}

func TestFreeBodiesTakeNoMemory(t *testing.T) {
	const size = 8 * mib
	b := newBodies(12*size, size)
	before := resident(t)
	var all [][]byte
	for range 13 { // one more than there are
		body := b.get(size)
		for i := 0; i < len(body); i += 4096 {
			body[i] = 1
		}
		all = append(all, body)
	}
	b.put(all[12])
	for _, body := range all[1:12] {
		b.put(body)
	}
	if b.arena.idle() != size {
		t.Errorf("%d bytes stay for the next body, want %d", b.arena.idle(), size)
	}
	b.put(all[0])
	if kept := resident(t) - before; b.arena.idle() != 0 || kept > 3*size {
		t.Errorf("%d bytes are idle, %d more are resident", b.arena.idle(), kept)
	}
	if body := b.get(6 * mib); len(body) != 6*mib {
		t.Errorf("a body of %d bytes", len(body))
	}
}
