"""The commands of ``antiphon``, one module each."""
