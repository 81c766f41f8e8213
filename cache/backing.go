package cache

import (
	"fmt"
	"slices"

	"golang.org/x/sys/unix"

	"ncloudfs/remote"
)

// Backing is the file of a sealed version, for one node of the mount, which has
// the kernel read it without us. It stays until Close, whatever is evicted.
type Backing struct {
	tier *Tier
	file *tierFile
	size int64 // of the version, in bytes
}

// Backing returns the file of the version o, or nil where it is not sealed, or
// another node has it: what one writes is not for the other. A complete version
// is sealed soon. The caller must Close it.
func (c *Cache) Backing(o remote.Object) *Backing {
	if c.tier == nil || o.Size < sealSize || c.HasNoBacking(o.Path) {
		return nil
	}
	f := c.tier.open(versionOf(o))
	if f == nil {
		return nil
	}
	isComplete, isSealed := f.isComplete()
	if isSealed && f.lend(c.tier) {
		return &Backing{c.tier, f, o.Size}
	}
	if isComplete && !isSealed {
		c.tier.sealLater(f)
	}
	c.tier.close(f)
	return nil
}

// editedLimit is how many files NoBacking remembers: databases that are open for
// reading and for writing by turns.
const editedLimit = 1 << 12

// NoBacking lets there be no Backing for p, and no BeginDirect, from now on, as
// far as that is remembered.
func (c *Cache) NoBacking(p remote.Path) { c.edited.Add(p, struct{}{}) }

// HasNoBacking reports whether NoBacking is remembered of p.
func (c *Cache) HasNoBacking(p remote.Path) bool { return c.edited.Contains(p) }

// lend gives the file to a Backing, if it is still sealed and has none.
func (f *tierFile) lend(t *Tier) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	t.mu.Lock()
	defer t.mu.Unlock()
	if !f.sealed || f.backs || f.gone {
		return false
	}
	f.backs = true
	return true
}

// ProbeFds returns descriptors of some file where Backings are and of one where
// files are that BeginDirect is for, to try out what can be done there; -1: there
// are none.
func (c *Cache) ProbeFds() (tier, stage int) {
	tier, stage = -1, -1
	if c.tier != nil {
		tier = int(c.tier.lock.Fd())
	}
	if c.direct {
		stage = int(c.stage.lock.Fd())
	}
	return tier, stage
}

// Fd returns the descriptor of the file, which is as long as the version.
func (b *Backing) Fd() int { return int(b.file.data.Fd()) }

// Close gives the file back.
func (b *Backing) Close() {
	b.tier.mu.Lock()
	b.file.backs = false
	b.tier.mu.Unlock()
	b.tier.close(b.file)
}

// writeAt and truncate repeat what was done to a staged file. The file is the
// version no more, then, and only the node's.
func (b *Backing) writeAt(p []byte, off int64) error {
	b.tier.drop(b.file)
	_, err := b.file.data.WriteAt(p, off)
	return err
}

func (b *Backing) truncate(size int64) error {
	b.tier.drop(b.file)
	return b.file.data.Truncate(size)
}

func (b *Backing) zero(start, end int64) error {
	b.tier.drop(b.file)
	return fallocate(b.file.data, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, start, end)
}

// Mirror repeats in b, until Unmirror, what is written to the staged file: b has
// the bytes of its base, and readers that the kernel serves from there.
func (s *Staged) Mirror(b *Backing) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if slices.Contains(s.mirrors, b) {
		return nil
	}
	if s.size != b.size { // emptied
		if err := b.truncate(s.size); err != nil {
			return fmt.Errorf("%w: %w", ErrStage, err)
		}
	}
	s.mirrors = append(s.mirrors, b)
	return nil
}

// Unmirror ends Mirror.
func (s *Staged) Unmirror(b *Backing) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mirrors = slices.DeleteFunc(s.mirrors, func(o *Backing) bool { return o == b })
}

// repeatLocked does to the mirrors what was done to the staged file.
func (s *Staged) repeatLocked(change func(*Backing) error) error {
	for _, b := range s.mirrors {
		if err := change(b); err != nil {
			return fmt.Errorf("%w: what the kernel reads: %w", ErrStage, err)
		}
	}
	return nil
}
