package cache

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// A frame log is a file of frames, then zeros: space that is set aside, so
// that a full disk does not stop a record.
//
//	magic "NCJ1" | length of the payload, uint32 LE | CRC32C of the payload, uint32 LE | payload
const (
	frameMagic = "NCJ1"
	frameHead  = 12
	frameLimit = 16 << 20 // bytes of a payload; a length above it is damage

	spaceStep = 1 << 20 // bytes set aside at a time
	spaceLow  = 1 << 18 // more is set aside once less is left
)

// frameLog appends frames to a file.
type frameLog struct {
	file  *os.File
	end   int64 // of the last frame
	space int64 // of the file: what is set aside
}

// append writes one frame. It needs disk space only once what is set aside is
// used up.
func (l *frameLog) append(payload []byte) error {
	if len(payload) > frameLimit {
		return fmt.Errorf("a record of %d bytes is too large", len(payload))
	}
	frame := appendFrame(nil, payload)
	if l.space-l.end-int64(len(frame)) < spaceLow {
		_ = l.reserve(int64(len(frame))) // if it fails, what is left may still do
	}
	if _, err := l.file.WriteAt(frame, l.end); err != nil {
		return err
	}
	l.end += int64(len(frame))
	l.space = max(l.space, l.end)
	return nil
}

func appendFrame(b, payload []byte) []byte {
	b = append(b, frameMagic...)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(payload)))
	b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(payload, castagnoli()))
	return append(b, payload...)
}

func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) } // made once by the library

// reserve sets aside space for size bytes and a step more.
func (l *frameLog) reserve(size int64) error {
	want := l.end + size + spaceStep
	err := unix.Fallocate(int(l.file.Fd()), 0, l.space, want-l.space)
	if err == nil {
		l.space = want
	}
	return err
}

// ensure makes sure that size bytes, and a little more, are set aside.
func (l *frameLog) ensure(size int64) error {
	if l.space-l.end >= size+spaceLow {
		return nil
	}
	err := l.reserve(size)
	if errors.Is(err, unix.EOPNOTSUPP) {
		return nil // this file system sets nothing aside
	}
	return err
}

func (l *frameLog) sync() error { return unix.Fdatasync(int(l.file.Fd())) }

// readFrames returns the payloads in f and the log that continues it. What
// does not check is skipped up to the next magic and is a problem; a torn frame
// at the very end is what a crash leaves, and is none, unless its last byte is
// there: then the disk has more likely damaged it.
func readFrames(f *os.File) (payloads [][]byte, l *frameLog, problems []error, err error) {
	data, err := io.ReadAll(io.NewSectionReader(f, 0, 1<<40))
	if err != nil {
		return nil, nil, nil, err
	}
	l = &frameLog{file: f, space: int64(len(data))}
	for off := 0; off < len(data); {
		payload, size := frameAt(data[off:])
		if payload != nil {
			payloads = append(payloads, payload)
			off += size
			l.end = int64(off)
			continue
		}
		next := nextFrame(data, off+1)
		if next < 0 && !isComplete(data[off:]) {
			break
		}
		if next < 0 {
			next = len(bytes.TrimRight(data, "\x00"))
		}
		problems = append(problems, fmt.Errorf("journal %s: %d bytes at %d are damaged; what they recorded is lost", f.Name(), next-off, off))
		off = next
	}
	return payloads, l, problems, nil
}

// wipe clears what stands behind the last frame, so that a shorter frame there
// does not leave the rest of a torn one to be found.
func (l *frameLog) wipe() error {
	_, err := l.file.WriteAt(make([]byte, l.space-l.end), l.end)
	return err
}

// isComplete reports whether data starts with a frame whose last byte, which no
// record leaves zero, has been written, whatever became of the others.
func isComplete(data []byte) bool {
	if len(data) < frameHead || string(data[:4]) != frameMagic {
		return false
	}
	end := frameHead + int(binary.LittleEndian.Uint32(data[4:]))
	return end <= len(data) && data[end-1] != 0
}

// frameAt returns the payload of the frame that data starts with and the
// frame's size, or nil.
func frameAt(data []byte) ([]byte, int) {
	if len(data) < frameHead || string(data[:4]) != frameMagic {
		return nil, 0
	}
	n := int(binary.LittleEndian.Uint32(data[4:]))
	if n == 0 || n > frameLimit || n > len(data)-frameHead {
		return nil, 0
	}
	payload := data[frameHead : frameHead+n]
	if crc32.Checksum(payload, castagnoli()) != binary.LittleEndian.Uint32(data[8:]) {
		return nil, 0
	}
	return payload, frameHead + n
}

// nextFrame returns where the next whole frame starts, from off on, or -1.
func nextFrame(data []byte, off int) int {
	for off < len(data) {
		i := bytes.Index(data[off:], []byte(frameMagic))
		if i < 0 {
			return -1
		}
		off += i
		if payload, _ := frameAt(data[off:]); payload != nil {
			return off
		}
		off++
	}
	return -1
}
