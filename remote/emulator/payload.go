package emulator

import (
	"bytes"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io"
	"strconv"
	"sync/atomic"
)

// copyBuffer is the size of reads of bodies: at 256 KiB the cost of a system
// call is nothing beside that of hashing.
const copyBuffer = 256 << 10

// payload is the body of a request without the framing of aws-chunked. It is
// read once, by copyTo, which verifies all that the request promised.
type payload struct {
	r    *request
	src  io.Reader
	size int64 // as announced

	wantMD5 []byte // of Content-MD5, or nil
	wantSHA string // empty: the payload is not signed, or chunk by chunk
	sum     []byte // MD5, once copyTo is done
}

// payload prepares to read the body; nothing is read yet, so that a client
// that waits for 100 Continue has not sent it.
func (r *request) payload() (*payload, error) {
	mode := r.Header.Get("x-amz-content-sha256")
	// An aws-chunked body announces its length otherwise: minio-go sends an
	// empty one over HTTP without a Content-Length.
	if r.ContentLength < 0 && mode != streaming {
		return nil, refuse("MissingContentLength", "the request needs a Content-Length")
	}
	p := &payload{r: r, size: r.ContentLength}
	p.src = &meter{r: r.Body, in: &r.server.tally.in, pace: newPace(r.server.o.Bandwidth), req: r}
	if v := r.Header.Get("Content-MD5"); v != "" {
		sum, err := base64.StdEncoding.DecodeString(v)
		if err != nil || len(sum) != md5.Size {
			return nil, refuse("InvalidDigest", "the Content-MD5 is not an MD5 in base64")
		}
		p.wantMD5 = sum
	}
	switch {
	case mode == streaming:
		return p, p.useChunks()
	case r.sig == nil || mode == unsigned:
	default:
		if raw, err := hex.DecodeString(r.sig.payload); err != nil || len(raw) != sha256.Size {
			return nil, refuse("InvalidRequest", "x-amz-content-sha256 must be a SHA-256 in hex, %s or %s", unsigned, streaming)
		}
		p.wantSHA = r.sig.payload
	}
	return p, nil
}

func (p *payload) useChunks() error {
	if p.r.sig == nil {
		return refuse("InvalidRequest", "an anonymous request cannot have signed chunks")
	}
	n, err := strconv.ParseInt(p.r.Header.Get("x-amz-decoded-content-length"), 10, 64)
	if err != nil || n < 0 {
		return refuse("MissingContentLength", "an aws-chunked request needs x-amz-decoded-content-length")
	}
	p.size = n
	p.src = newChunkReader(p.src, p.r.sig)
	return nil
}

// copyTo writes the whole payload to w. An error that is not w's is the
// client's fault and an apiError.
func (p *payload) copyTo(w io.Writer) error {
	sums := newSummer(p.size, p.wantSHA != "", p.r.server.store)
	err := p.pass(w, sums)
	sums.finish()
	if err != nil {
		return err
	}
	p.sum = sums.digest
	if p.wantMD5 != nil && !bytes.Equal(p.sum, p.wantMD5) {
		return refuse("BadDigest", "the body's MD5 is not the Content-MD5")
	}
	if p.wantSHA != "" && hex.EncodeToString(sums.sha.Sum(nil)) != p.wantSHA {
		// AWS has XAmzContentSHA256Mismatch for this; NAVER's table does not.
		return refuse("BadDigest", "the body's SHA-256 is not x-amz-content-sha256")
	}
	return nil
}

// pass reads to the end, and checks the length.
func (p *payload) pass(w io.Writer, sums *summer) error {
	var got int64
	for {
		buf := p.r.server.store.buffer()
		n, err := p.src.Read(*buf)
		if got += int64(n); got > p.size {
			return refuse("IncompleteBody", "the body is longer than announced")
		}
		if _, werr := w.Write((*buf)[:n]); werr != nil {
			return werr
		}
		sums.add(summed{buf, n})
		if err == io.EOF {
			break
		}
		if err != nil {
			return p.readError(err)
		}
	}
	if got < p.size {
		return refuse("IncompleteBody", "the body has %d bytes, not %d", got, p.size)
	}
	return nil
}

func (p *payload) readError(err error) error {
	var e *apiError
	if errors.As(err, &e) {
		return e
	}
	return refuse("IncompleteBody", "the body ended early: %v", err)
}

// meter counts the bytes of a body and holds them to the bandwidth.
type meter struct {
	r    io.Reader
	in   *atomic.Int64
	pace *pace
	req  *request
}

func (m *meter) Read(b []byte) (int, error) {
	if m.pace != nil {
		b = b[:min(len(b), paceStep)]
	}
	n, err := m.r.Read(b)
	m.in.Add(int64(n))
	m.pace.spent(m.req.Context(), int64(n))
	return n, err
}
