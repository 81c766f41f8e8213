package emulator_test

import (
	"crypto/sha256"
	"hash"
)

// sha256Hasher is what minio-go's signer wants to hash chunks with.
type sha256Hasher struct{ hash.Hash }

func newSHA256() hash.Hash { return sha256.New() }

func (sha256Hasher) Close() {}
