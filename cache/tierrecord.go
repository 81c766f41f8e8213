package cache

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"hash/crc32"

	"ncloudfs/remote"
)

// A record says which blocks of a version are on the disk:
//
//	magic | length of the head, uint32 LE | head, JSON
//	for each block: index, uint32 LE | CRC32C of its bytes, uint32 LE
//	CRC32C of all before, uint32 LE
const recordMagic = "NCB1"

var errRecord = errors.New("damaged record")

// recordHead is the head of a record. The key is in base64, since it may not
// be UTF-8.
type recordHead struct {
	Bucket string
	Key    []byte
	ETag   string
	Size   int64
	Sealed bool // every block is here, and was safe on the disk before this was written
}

func encodeRecord(v Version, sums map[int64]uint32, sealed bool) ([]byte, error) {
	head, err := json.Marshal(recordHead{v.Path.Bucket, []byte(v.Path.Key), string(v.ETag), v.Size, sealed})
	if err != nil {
		return nil, err
	}
	b := make([]byte, 0, len(recordMagic)+len(head)+8*len(sums)+8)
	b = append(b, recordMagic...)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(head)))
	b = append(b, head...)
	for index, sum := range sums {
		b = binary.LittleEndian.AppendUint32(b, uint32(index))
		b = binary.LittleEndian.AppendUint32(b, sum)
	}
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli())), nil
}

// decodeRecord is the reverse of encodeRecord; errRecord for anything else.
func decodeRecord(b []byte) (v Version, sums map[int64]uint32, sealed bool, err error) {
	const frame = len(recordMagic) + 8
	if len(b) < frame || string(b[:len(recordMagic)]) != recordMagic {
		return v, nil, false, errRecord
	}
	b, sum := b[:len(b)-4], binary.LittleEndian.Uint32(b[len(b)-4:])
	if crc32.Checksum(b, castagnoli()) != sum {
		return v, nil, false, errRecord
	}
	n, rest := binary.LittleEndian.Uint32(b[len(recordMagic):]), b[len(recordMagic)+4:]
	var h recordHead
	if uint64(n) > uint64(len(rest)) || json.Unmarshal(rest[:n], &h) != nil || (len(rest)-int(n))%8 != 0 {
		return v, nil, false, errRecord
	}
	v = Version{Path: remote.Path{Bucket: h.Bucket, Key: string(h.Key)}, ETag: remote.ETag(h.ETag), Size: h.Size}
	sums = make(map[int64]uint32, (len(rest)-int(n))/8)
	for pair := rest[n:]; len(pair) > 0; pair = pair[8:] {
		sums[int64(binary.LittleEndian.Uint32(pair))] = binary.LittleEndian.Uint32(pair[4:])
	}
	return v, sums, h.Sealed, nil
}
