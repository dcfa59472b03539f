"""The hooks of this kit: one verb and what the doctor says. Nothing heavy is imported here."""

from __future__ import annotations

from importlib.util import find_spec

from vitrail.hookspecs import hookimpl
from vitrail.specs import DoctorLine


@hookimpl
def vitrail_commands() -> dict[str, tuple[str, str]]:
    return {
        "segment": ("vitrail_segmentation.cli:app", "Label every pixel of pictures and satellite scenes.")
    }


@hookimpl
def vitrail_doctor() -> list[DoctorLine]:
    import rasterio
    from rasterio.drivers import raster_driver_extensions

    lines = [
        DoctorLine(level="ok", text=f"rasterio {rasterio.__version__} with GDAL {rasterio.__gdal_version__}")
    ]
    if "tif" not in raster_driver_extensions():
        lines.append(DoctorLine(level="problem", text="this GDAL cannot write GeoTIFF; reinstall rasterio."))
    if find_spec("pyogrio") is None or find_spec("shapely") is None:
        text = (
            'polygons are written as GeoJSON only; for GeoPackage: pip install "vitrail-segmentation[vector]"'
        )
        lines.append(DoctorLine(level="note", text=text))
    else:
        lines.append(DoctorLine(level="ok", text="polygons can be written as GeoPackage and GeoJSON"))
    return lines
