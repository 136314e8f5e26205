"""Ten small complete programs on real data: `python -m tinygrad_rnn.book.gallery.names` runs one.

=============  ===================================================================
`characters`   a language model of the standard library's source
`names`        new names for cats and dogs
`sentiment`    whether a film's critic liked it
`tagger`       the part of speech of each word
`topics`       what a newswire story is about
`captioner`    what a handwritten number is called in Korean
`translator`   names of emoji, from English to Korean
`demand`       tomorrow's demand for electricity
`weather`      tomorrow's weather
`video`        what each frame of a film shows
=============  ===================================================================

Each ends with its `score` on held-out data, the `baseline` that it has to beat, and a `figure`.
"""
