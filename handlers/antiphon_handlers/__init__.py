"""Ready-made recovery handlers, one reaction per module.

Take each from its own module, ``from antiphon_handlers.restore_sqlite import restore_sqlite``:
a re-export here would hide the module behind the function of the same name.
Handlers never import one another; what two of them share lives in a module that is no handler.
"""
