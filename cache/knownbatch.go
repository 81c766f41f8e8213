package cache

import (
	"bytes"
	"encoding/binary"
	"maps"
	"slices"

	"go.etcd.io/bbolt"
)

// Where things are in the file: a bucket for each generation, by key, and one of
// what is to be known of them.
const (
	knownAbout  = "about"
	knownFormat = "format" // what wrote the file
	knownOpen   = "open"   // which boot of the machine it is in use in; absent: in none
	knownYoung  = "young"  // name of the young generation's bucket
	knownUsed   = "used "  // and the name of a generation's bucket: its names and bytes, uint64 LE each
	generationA = "a"
	generationB = "b"
)

// knownMaxFile is the most that the generations take on the disk, in bytes, pages
// that are not full included.
const knownMaxFile = 128 << 20

// aGeneration is the most that one has. Memory of a file that is mapped counts as
// the program's, so that it is not more.
func aGeneration() used { return used{names: 1 << 17, bytes: 32 << 20} }

// generations returns the buckets, the young one first.
func generations(tx *bbolt.Tx) [2]*bbolt.Bucket {
	young, old := generationNamesOf(tx)
	return [2]*bbolt.Bucket{tx.Bucket([]byte(young)), tx.Bucket([]byte(old))}
}

func generationNamesOf(tx *bbolt.Tx) (young, old string) {
	if string(tx.Bucket([]byte(knownAbout)).Get([]byte(knownYoung))) == generationB {
		return generationB, generationA
	}
	return generationA, generationB
}

// used is what is in a generation: names, and bytes of keys and values.
type used struct{ names, bytes uint64 }

func (u used) reaches(most used) bool { return u.names >= most.names || u.bytes >= most.bytes }

func usedBy(tx *bbolt.Tx, generation string) used {
	b := tx.Bucket([]byte(knownAbout)).Get([]byte(knownUsed + generation))
	if len(b) != 16 {
		return used{}
	}
	return used{binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:])}
}

func (u used) store(tx *bbolt.Tx, generation string) error {
	b := binary.LittleEndian.AppendUint64(nil, u.names)
	return tx.Bucket([]byte(knownAbout)).Put([]byte(knownUsed+generation), binary.LittleEndian.AppendUint64(b, u.bytes))
}

// rotate drops the old generation, and begins a new one.
func rotate(tx *bbolt.Tx) error {
	_, old := generationNamesOf(tx)
	if err := tx.DeleteBucket([]byte(old)); err != nil {
		return err
	}
	if _, err := tx.CreateBucket([]byte(old)); err != nil {
		return err
	}
	if err := (used{}).store(tx, old); err != nil {
		return err
	}
	return tx.Bucket([]byte(knownAbout)).Put([]byte(knownYoung), []byte(old))
}

// apply makes the changes in tx, in a new generation when the young one has most.
func (c *changes) apply(tx *bbolt.Tx, most used) error {
	young, old := generationNamesOf(tx)
	if usedBy(tx, young).reaches(most) {
		if err := rotate(tx); err != nil {
			return err
		}
		young, old = old, young
	}
	now := counted{tx.Bucket([]byte(young)), usedBy(tx, young)}
	before := counted{tx.Bucket([]byte(old)), usedBy(tx, old)}
	now.bucket.FillPercent = 0.9 // names of a directory come in their order
	for _, tree := range c.trees {
		if err := now.dropTree(tree); err != nil {
			return err
		}
		if err := before.dropTree(tree); err != nil {
			return err
		}
	}
	for _, key := range slices.Sorted(maps.Keys(c.objects)) {
		if err := before.drop([]byte(key)); err != nil {
			return err
		}
		if err := now.put(key, c.objects[key]); err != nil {
			return err
		}
	}
	if err := before.used.store(tx, old); err != nil {
		return err
	}
	return now.used.store(tx, young)
}

// counted is a bucket of which it is known how much is in it.
type counted struct {
	bucket *bbolt.Bucket
	used   used
}

func (c *counted) put(key string, h *knownObject) error {
	if err := c.drop([]byte(key)); err != nil || h == nil {
		return err
	}
	value := encodeKnown(key, h)
	c.used.names++
	c.used.bytes += uint64(len(key) + len(value))
	return c.bucket.Put([]byte(key), value)
}

func (c *counted) drop(key []byte) error {
	value := c.bucket.Get(key)
	if value == nil {
		return nil
	}
	c.used.names--
	c.used.bytes -= uint64(len(key) + len(value))
	return c.bucket.Delete(key)
}

func (c *counted) dropTree(prefix string) error {
	var keys [][]byte // a cursor may skip one after a deletion
	for cursor, key := c.bucket.Cursor(), []byte(nil); ; {
		if key == nil {
			key, _ = cursor.Seek([]byte(prefix))
		} else {
			key, _ = cursor.Next()
		}
		if key == nil || !bytes.HasPrefix(key, []byte(prefix)) {
			break
		}
		keys = append(keys, bytes.Clone(key))
	}
	for _, key := range keys {
		if err := c.drop(key); err != nil {
			return err
		}
	}
	return nil
}
