"""The doctor: looks a whole set-up over before anything is traded, and names the fix.

One function makes one check. Nothing is sent; the write probe is `order_check`. May import what
`trading` may.
"""
