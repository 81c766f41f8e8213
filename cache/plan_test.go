package cache

import (
	"testing"

	"pgregory.net/rapid"

	"ncloudfs/remote"
	"ncloudfs/remote/emulator"
)

func TestPartsAreAsLargeAsTheServiceWasFoundToWantThem(t *testing.T) {
	m := mount(t, Options{})
	m.findings = remote.Findings{PartSize: 16 << 20}
	m.Cache = m.open(Options{StageDir: t.TempDir()})
	m.create("a", make([]byte, 32<<20))
	if n := m.server.Counts()[emulator.OpUploadPart]; n != 2 {
		t.Errorf("%d parts", n)
	}
}

func TestPlanKeepsTheServicesRules(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.OneOf(
			rapid.Int64Range(0, MaxFileSize),
			rapid.Int64Range(0, 4*singlePutLimit),
			rapid.Just(int64(singlePutLimit)), rapid.Just(int64(singlePutLimit+1)),
			rapid.Just(int64(maxParts*minPartSize)), rapid.Just(int64(maxParts*minPartSize+1)),
			rapid.Just(int64(MaxFileSize)),
		).Draw(t, "size")
		preferred := rapid.OneOf(rapid.Just(int64(0)), rapid.Int64Range(0, 5<<30)).Draw(t, "preferred")
		parts := plan(size, preferred)
		if size <= singlePutLimit {
			if parts != nil {
				t.Fatalf("%d parts of what goes with one PUT", len(parts))
			}
			return
		}
		if len(parts) > maxParts {
			t.Fatalf("%d parts", len(parts))
		}
		var off int64
		for i, p := range parts {
			isLast := i == len(parts)-1
			switch {
			case p.number != i+1 || p.off != off || p.size <= 0:
				t.Fatalf("part %d is %+v, want one from %d", i, p, off)
			case !isLast && (p.size != partSizeOf(p.number, preferred) || p.size%partUnit != 0 || p.size < max(minPartSize, preferred) || p.size > max(preferred+partUnit, 4<<30)):
				t.Fatalf("part %+v, first %+v, preferred %d", p, parts[0], preferred)
			case isLast && p.size > partSizeOf(p.number, preferred):
				t.Fatalf("the last part %+v is larger than %d", p, partSizeOf(p.number, preferred))
			}
			off += p.size
		}
		if off != size {
			t.Fatalf("parts cover %d of %d bytes", off, size)
		}
	})
}

func BenchmarkPlan(b *testing.B) {
	for name, size := range map[string]int64{"1GiB": gib, "10TB": MaxFileSize} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				plan(size, minPartSize)
			}
		})
	}
}
