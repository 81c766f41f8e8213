package emulator

import (
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
)

// generatedBlock is how many bytes of a generated object come from one place
// of the pattern.
const generatedBlock = 1 << 20

// Pattern makes contents of any size without storing them. Each MiB of a
// content begins at a place of the pattern that depends on seed and position,
// so that bytes which are misplaced by less than the content's size differ.
type Pattern struct {
	twice []byte // a random MiB, twice: a block that begins anywhere is one slice
}

// NewPattern makes the pattern, which is the same in every process.
func NewPattern() *Pattern {
	p := &Pattern{twice: make([]byte, 2*generatedBlock)}
	_, _ = rand.NewChaCha8([32]byte{}).Read(p.twice[:generatedBlock]) // never fails
	copy(p.twice[generatedBlock:], p.twice[:generatedBlock])
	return p
}

// Content is what an object of this seed holds.
func (p *Pattern) Content(size int64, seed uint64) *io.SectionReader {
	return io.NewSectionReader(generatedSpan{p, seed}, 0, size)
}

// generatedSpan is a blob whose bytes are made when they are asked for.
type generatedSpan struct {
	pattern *Pattern
	seed    uint64
}

// block returns the bytes from off to the end of its block.
func (g generatedSpan) block(off int64) []byte {
	number := uint64(off / generatedBlock)
	start := rand.NewPCG(g.seed, number).Uint64() % generatedBlock
	return g.pattern.twice[start : start+generatedBlock][off%generatedBlock:]
}

// ReadAt has no end of its own.
func (g generatedSpan) ReadAt(b []byte, off int64) (int, error) {
	for n := 0; n < len(b); {
		n += copy(b[n:], g.block(off+int64(n)))
	}
	return len(b), nil
}

func (g generatedSpan) writeTo(w io.Writer, off, n int64) error {
	for n > 0 {
		b := g.block(off)
		b = b[:min(n, int64(len(b)))]
		if _, err := w.Write(b); err != nil {
			return err
		}
		off, n = off+int64(len(b)), n-int64(len(b))
	}
	return nil
}

func (generatedSpan) remove() {}

// Generated is an object to be made by Generate.
type Generated struct {
	Bucket string `json:"bucket"`
	Key    string `json:"key"`
	Size   int64  `json:"size"` // bytes
	Seed   uint64 `json:"seed"`
}

// Generate puts an object, private to the bucket's owner, whose bytes are those
// of Pattern.Content and take no memory. The ETag is the MD5 up to 1 MiB, else
// a fixed one as of an upload in parts. Only for servers in memory.
func (s *Server) Generate(g Generated) error {
	if s.o.Dir != "" {
		return errors.New("emulator: a directory keeps no generated objects")
	}
	if len(g.Key) == 0 || len(g.Key) > maxKey || g.Size < 0 || g.Size > maxObjectSize {
		return fmt.Errorf("emulator: no object has the key %q and %d bytes", g.Key, g.Size)
	}
	info, err := s.store.bucket(g.Bucket)
	if err != nil {
		return fmt.Errorf("emulator: generating %q: %w", g.Key, err)
	}
	private, err := cannedACL("private", info.ACL.Owner)
	if err != nil {
		return err
	}
	b := &blob{size: g.Size, data: generatedSpan{s.pattern(), g.Seed}}
	b.refs.Store(1)
	return s.store.putObject(g.Bucket, &object{
		key: g.Key, content: content{b}, etag: b.generatedTag(g), modified: stamp(s.o.Clock()),
		contentType: defaultContentType, acl: private,
	})
}

func (b *blob) generatedTag(g Generated) string {
	if g.Size <= generatedBlock {
		sum := md5.New()
		_ = b.data.writeTo(sum, 0, g.Size) // a hash takes everything
		return hex.EncodeToString(sum.Sum(nil))
	}
	sum := md5.Sum(fmt.Append(nil, g.Seed, g.Size))
	return hex.EncodeToString(sum[:]) + "-2"
}
