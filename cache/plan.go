package cache

const (
	// singlePutLimit is the largest object sent with one PUT; above it parts
	// in parallel are faster.
	singlePutLimit = 16 << 20

	// minPartSize and partUnit: the service takes parts from 5 MB on, and its
	// engine works in units of 4 MiB.
	minPartSize = 8 << 20
	partUnit    = 4 << 20

	// maxParts is the service's limit on the parts of one upload.
	maxParts = 10_000
)

// part is one part of a planned upload.
type part struct {
	number int // from 1
	off    int64
	size   int64
}

// plan cuts an object of size bytes into parts; the last may be shorter than
// partSizeOf says. An object that goes with a single PUT has none.
func plan(size, preferred int64) []part {
	if size <= singlePutLimit {
		return nil
	}
	var parts []part
	for off := int64(0); off < size; {
		n := len(parts) + 1
		p := part{n, off, min(partSizeOf(n, preferred), size-off)}
		parts, off = append(parts, p), off+p.size
	}
	return parts
}

// partSizeOf returns the size of part number n, at least preferred. It does not
// depend on the object's size, which is not known while a file is written: 900
// parts have 8 MiB, the next 900 16 MiB, and so on to 4 GiB (the service's limit
// is 5 GiB), so that 10,000 parts make 10 TB.
func partSizeOf(n int, preferred int64) int64 {
	const step, largest = 900, 4 << 30
	size := max(preferred, min(int64(minPartSize)<<((n-1)/step), largest))
	return (size + partUnit - 1) / partUnit * partUnit
}

// maxCopySize is the largest object that the service copies by itself
// (inferred from the limit of a single PUT).
const maxCopySize = 5 << 30

// MaxFileSize is the largest object of the service, in bytes: 10 TB.
const MaxFileSize = 10_000_000_000_000
