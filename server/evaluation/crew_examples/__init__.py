"""The crew's own examples, one file a kind: asked over the sample workspace, references computed and checked."""
