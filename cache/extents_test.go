package cache

import (
	"testing"

	"pgregory.net/rapid"
)

func TestExtentsAgreeWithASetOfBytes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const size = 64
		var x extents
		var want [size]bool
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			a := rapid.Int64Range(0, size).Draw(t, "start")
			if rapid.IntRange(0, 4).Draw(t, "cut") == 0 {
				x.Cut(a)
				clear(want[a:])
			} else {
				b := rapid.Int64Range(a, size).Draw(t, "end")
				x.Add(a, b)
				for i := a; i < b; i++ {
					want[i] = true
				}
			}
			check(t, &x, want[:])
		}
	})
}

func check(t *rapid.T, x *extents, want []bool) {
	var bytes int64
	for i := range want {
		inside, until := x.at(int64(i))
		if inside != want[i] {
			t.Fatalf("byte %d inside=%v, want %v in %v", i, inside, want[i], x.list)
		}
		if until <= int64(i) {
			t.Fatalf("byte %d: answer holds until %d", i, until)
		}
		if inside {
			bytes++
		}
	}
	if got := x.Bytes(); got != bytes {
		t.Fatalf("%d bytes, want %d in %v", got, bytes, x.list)
	}
	for i := 1; i < len(x.list); i++ {
		if x.list[i-1].End >= x.list[i].Start {
			t.Fatalf("ranges touch: %v", x.list)
		}
	}
}
