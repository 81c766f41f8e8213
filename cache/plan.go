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

// plan cuts an object of size bytes into parts of at least preferred bytes
// each, as large as 10,000 parts need; the last may be shorter. An object that
// goes with a single PUT has none.
func plan(size, preferred int64) []part {
	if size <= singlePutLimit {
		return nil
	}
	partSize := max(preferred, minPartSize, (size+maxParts-1)/maxParts)
	partSize = (partSize + partUnit - 1) / partUnit * partUnit
	parts := make([]part, 0, (size+partSize-1)/partSize)
	for off := int64(0); off < size; off += partSize {
		parts = append(parts, part{len(parts) + 1, off, min(partSize, size-off)})
	}
	return parts
}

// maxCopySize is the largest object that the service copies by itself
// (inferred from the limit of a single PUT).
const maxCopySize = 5 << 30

// MaxFileSize is the largest object of the service, in bytes: 10 TB.
const MaxFileSize = 10_000_000_000_000
