package record

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestABadReaderYieldsZeroValues(t *testing.T) {
	d := reader{rest: []byte("\x05there is more")}
	d.fail(true)
	assert.Zero(t, d.byte())
	assert.Zero(t, d.uvarint())
	assert.Zero(t, d.varint())
	assert.Empty(t, d.take(0))
	assert.Empty(t, d.take(1))
	assert.True(t, d.bad)
}

func TestReadingBehindTheEndMakesAReaderBad(t *testing.T) {
	for name, read := range map[string]func(*reader){
		"byte":    func(d *reader) { d.byte() },
		"take":    func(d *reader) { d.take(1) },
		"uvarint": func(d *reader) { d.uvarint() },
		"varint":  func(d *reader) { d.varint() },
	} {
		t.Run(name, func(t *testing.T) {
			var d reader
			read(&d)
			assert.True(t, d.bad)
		})
	}
}
