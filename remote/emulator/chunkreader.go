package emulator

import (
	"bufio"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"io"
	"strconv"
	"strings"
)

// maxChunk bounds one chunk; SDKs send 64 KiB to 1 MiB.
const maxChunk = 16 << 20

// chunkReader decodes an aws-chunked body,
//
//	HEXSIZE;chunk-signature=HEXSIGNATURE\r\n DATA \r\n ... 0;chunk-signature=...\r\n\r\n
//
// where each signature covers the data and the signature before it. Data is
// handed out before its signature has been seen to be right: the caller must
// not use it before io.EOF.
type chunkReader struct {
	src      *bufio.Reader
	sig      *signature
	previous string // signature of the chunk before
	want     string // signature of this chunk
	left     int64  // bytes of this chunk still to come
	started  bool
	sum      hash.Hash
	err      error
}

func newChunkReader(src io.Reader, sig *signature) *chunkReader {
	return &chunkReader{src: bufio.NewReaderSize(src, copyBuffer), sig: sig, previous: sig.seed, sum: sha256.New()}
}

func (c *chunkReader) Read(b []byte) (int, error) {
	for c.err == nil && c.left == 0 {
		c.err = c.next()
	}
	if c.err != nil {
		return 0, c.err
	}
	n, err := c.src.Read(b[:min(int64(len(b)), c.left)])
	c.sum.Write(b[:n])
	c.left -= int64(n)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	c.err = err
	return n, err
}

// next ends the chunk that was read and begins another; io.EOF after the last.
func (c *chunkReader) next() error {
	if c.started {
		if err := c.verify(); err != nil {
			return err
		}
		if err := c.lineEnd(); err != nil {
			return err
		}
	}
	c.started = true
	line, err := c.src.ReadSlice('\n')
	if err == bufio.ErrBufferFull {
		return refuse("InvalidRequest", "the aws-chunked body is malformed")
	}
	if err != nil {
		return io.ErrUnexpectedEOF
	}
	size, signature, ok := strings.Cut(strings.TrimSuffix(string(line), "\r\n"), ";chunk-signature=")
	n, err := strconv.ParseInt(size, 16, 64)
	if !ok || err != nil || n < 0 || n > maxChunk {
		return refuse("InvalidRequest", "the aws-chunked body is malformed")
	}
	c.left, c.want = n, signature
	c.sum.Reset()
	if n > 0 {
		return nil
	}
	if err := c.verify(); err != nil {
		return err
	}
	if err := c.lineEnd(); err != nil {
		return err
	}
	if _, err := c.src.ReadByte(); err != io.EOF {
		return refuse("InvalidRequest", "there are bytes after the last chunk")
	}
	return io.EOF
}

func (c *chunkReader) lineEnd() error {
	var crlf [2]byte
	if _, err := io.ReadFull(c.src, crlf[:]); err != nil {
		return io.ErrUnexpectedEOF
	}
	if string(crlf[:]) != "\r\n" {
		return refuse("InvalidRequest", "the aws-chunked body is malformed")
	}
	return nil
}

func (c *chunkReader) verify() error {
	toSign := strings.Join([]string{algorithm + "-PAYLOAD", c.sig.date, c.sig.scope, c.previous,
		hexSHA256(nil), hex.EncodeToString(c.sum.Sum(nil))}, "\n")
	if !hmac.Equal([]byte(c.sig.sign(toSign)), []byte(c.want)) {
		return refuse("SignatureDoesNotMatch", "the signature of a chunk is wrong")
	}
	c.previous = c.want
	return nil
}
