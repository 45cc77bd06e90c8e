"""Construction of the gateway by area: clients and stores first, then objects from the bottom up.

Each module has a function that constructs its area out of those before it, and where others use
the area a frozen class of its parts. A new area is a new module here, and a line in `gateway.app`.

Every constructor is complete: nothing is added to an object after it was made. What would be a
circle goes through `CallTable`, which has the running calls, and `CallEvents`, to which parts that
follow calls subscribe.
"""
