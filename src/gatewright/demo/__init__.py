"""The tutorial as a program: the narrated walk and the sample API it serves.

What lives here ships in the wheel, so that an installed Gatewright can run it. No rule of the product
does: the walk asks the server and the guard as any user would.
"""
